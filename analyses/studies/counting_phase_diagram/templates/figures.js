// Figures as inline SVG, drawn when they are asked for.
const PhaseFigures = (() => {
  const WIDTH = 640, HEIGHT = 230, LEFT = 52, RIGHT = 54, TOP = 10, BOTTOM = 40;
  const SHAPES = ["circle", "square", "diamond", "triangle"];

  const make = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // An empty frame; y runs from low to high.
  const frame = (label, xTitle, yTitle, low, high, ticks) => {
    const svg = make("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    const right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    const y = (value) => bottom - (bottom - TOP) * (Math.min(Math.max(value, low), high) - low) / (high - low);
    svg.append(make("rect", { class: "frame", x: LEFT, y: TOP, width: right - LEFT, height: bottom - TOP }));
    for (const [value, text] of ticks) {
      svg.append(make("line", { class: "tick", x1: LEFT - 4, x2: LEFT, y1: y(value), y2: y(value) }));
      svg.append(make("text", { x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    svg.append(make("text", { x: (LEFT + right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xTitle));
    const middle = (TOP + bottom) / 2;
    svg.append(make("text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, yTitle));
    return { svg, y, right, bottom };
  };

  const dot = (shape, x, y, className, title) => {
    const r = 5.5;
    const points = {
      square: [[-r, -r], [r, -r], [r, r], [-r, r]],
      diamond: [[0, -r - 1.5], [r + 1.5, 0], [0, r + 1.5], [-r - 1.5, 0]],
      triangle: [[0, -r - 1], [r + 1, r], [-r - 1, r]],
    }[shape];
    const element = points
      ? make("polygon", { class: className, points: points.map(([a, b]) => `${x + a},${y + b}`).join(" ") })
      : make("circle", { class: className, cx: x, cy: y, r });
    element.append(make("title", {}, title));
    return element;
  };

  // kappa of every token: bands where tokens count as shared and as private.
  const kappa = (row) => {
    const { kappa: table, tokens, tokenKinds } = PhaseData.all();
    const values = table[row], known = values.filter((value) => value !== null);
    const low = Math.max(-3, Math.min(-0.4, ...known)), high = Math.min(3, Math.max(1.2, ...known));
    const ticks = [-3, -2, -1, -0.3, 0.3, 0.7, 1, 2, 3]
      .filter((value) => value >= low && value <= high)
      .map((value) => [value, PhaseData.number(value)]);
    const label = `kappa of ${values.length} tokens, ${PhaseData.named(row)}`;
    const { svg, y, right, bottom } = frame(label, "token", "kappa", low, high, ticks);
    const width = right - LEFT, step = width / values.length;
    for (const [from, to, name] of [[0.7, high, "shared"], [-0.3, 0.3, "private"]]) {
      svg.append(make("rect", { class: "band", x: LEFT, y: y(to), width, height: y(from) - y(to) }));
      svg.append(make("text", { x: right + 6, y: (y(from) + y(to)) / 2 + 4 }, name));
    }
    values.forEach((value, token) => {
      const kind = tokenKinds[tokens[row][token]] ?? "silent";
      const x = LEFT + (token + 0.5) * step, at = value === null ? bottom - 8 : y(value);
      const style = value === null ? "dot f-silent" : `dot f-${kind.replace(/[^a-z]/g, "")}`;
      svg.append(dot("circle", x, at, style, `token ${token}: ${kind}, kappa ${PhaseData.number(value)}`));
      if (token % Math.ceil(values.length / 16) === 0) {
        svg.append(make("text", { x, y: bottom + 14, "text-anchor": "middle" }, token));
      }
    });
    return svg;
  };

  // Accuracy by seed; a shape for each learning rate, full where it was chosen.
  const accuracy = (rows) => {
    const order = (name) => [...new Set(rows.map((row) => PhaseData.get(name, row)))].sort((a, b) => a - b);
    const seeds = order("seed"), rates = order("lr");
    const known = rows.map((row) => PhaseData.get("accuracy", row)).filter((value) => value !== null);
    const low = Math.max(0, Math.floor(10 * Math.min(0.9, ...known) - 0.5) / 10);
    const steps = low < 0.5 ? [0, 0.2, 0.4, 0.6, 0.8, 0.9, 1] : [0.5, 0.6, 0.7, 0.8, 0.9, 1];
    const ticks = steps.filter((value) => value >= low).map((value) => [value, `${Math.round(100 * value)} %`]);
    const { svg, y, right, bottom } = frame("accuracy by seed and learning rate", "seed", "accuracy", low, 1.02, ticks);
    const step = (right - LEFT) / seeds.length;
    seeds.forEach((seed, i) => {
      svg.append(make("text", { x: LEFT + (i + 0.5) * step, y: bottom + 14, "text-anchor": "middle" }, seed));
    });
    for (const row of rows) {
      const value = PhaseData.get("accuracy", row), rate = rates.indexOf(PhaseData.get("lr", row));
      if (value === null) continue;
      const aside = (rate - (rates.length - 1) / 2) * Math.min(22, step / (rates.length + 1));
      const x = LEFT + (seeds.indexOf(PhaseData.get("seed", row)) + 0.5) * step + aside;
      const style = PhaseData.get("chosen", row) ? "dot solid" : "dot hollow";
      svg.append(dot(SHAPES[rate % SHAPES.length], x, y(value), style, `${PhaseData.named(row)}: ${PhaseData.percent(value)}`));
    }
    const words = rates.map((rate, i) => `${SHAPES[i % SHAPES.length]}: rate ${PhaseData.number(rate)}`);
    const hollow = rates.length > 1 ? "; full where chosen, hollow where another rate was better on validation data" : "";
    return [svg, `${words.join(", ")}${hollow}.`];
  };

  return { kappa, accuracy };
})();
