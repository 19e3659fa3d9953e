// What the dialog shows of a cell. Text enters the page as text only.
const PhasePanel = (() => {
  const D = PhaseData;
  const KNOWN = ["relation-based", "inventory-based", "mixed", "unsolved"];
  const ATTENTION = ["semantic", "positional", "mixed", "uninformed"];
  const FACTS = ["model", "steps", "batch", "schedule", "agreement", "attention_agreement", "rule", "model_hash"];

  const el = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const chip = (word, known, prefix) => {
    if (word === null) return D.MISSING;
    return el("span", known.includes(word) ? `chip ${prefix}${word}` : "chip line", word);
  };

  // What may be wider than the screen scrolls within itself, by keyboard too.
  const scrolling = (label, content) => {
    const box = el("div", "scroll", content);
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    return box;
  };

  const table = (label, className, head, rows) => {
    const headRow = el("tr", "", ...head.map((text) => {
      const cell = el("th", "", text);
      cell.scope = "col";
      return cell;
    }));
    const body = rows.map(({ cells: [first, ...others], className }) => {
      const name = el("th", "", first);
      name.scope = "row";
      return el("tr", className ?? "", name, ...others.map((content) => el("td", "n", content)));
    });
    return scrolling(label, el("table", className, el("thead", "", headRow), el("tbody", "", ...body)));
  };

  // Folded, and filled when it is first opened.
  const folded = (title, fill) => {
    const details = el("details", "", el("summary", "", ...title));
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(...fill());
    });
    return details;
  };

  const COLUMNS = {
    Seed: (row) => D.number(D.get("seed", row)),
    "Learning rate": (row) => D.number(D.get("lr", row)),
    Chosen: (row) => (D.get("chosen", row) ? "chosen" : D.MISSING),
    Accuracy: (row) => D.percent(D.get("accuracy", row)),
    "On validation data": (row) => D.percent(D.get("validation_accuracy", row)),
    Mechanism: (row) => chip(D.get("mechanism", row), KNOWN, "k-"),
    Counters: (row) => D.number(D.get("counters", row)),
    Confidence: (row) => D.percent(D.get("confidence", row), 0),
    Attention: (row) => chip(D.get("attention", row), ATTENTION, "line a-"),
    "Diverged at step": (row) => D.number(D.get("diverged_at", row)),
  };
  const models = (rows) => {
    // Most cells have no model that diverged.
    const diverged = rows.some((row) => D.get("diverged_at", row) !== null);
    const shown = Object.entries(COLUMNS).filter(([name]) => diverged || !name.startsWith("Diverged"));
    return table("Models of this cell", "", shown.map(([name]) => name), rows.map((row) => ({
      className: D.get("chosen", row) ? "" : "set-aside",
      cells: shown.map(([, read]) => read(row)),
    })));
  };

  // A line for each number, a column for each model that has one.
  const numbers = (label, columns, rows) => {
    const shown = rows.filter((row) => Object.values(columns).some((column) => D.valueOf(column, row) !== null));
    if (!shown.length) return [el("p", "muted", "None of these models has any.")];
    const named = (name) => {
      const meaning = D.all().meanings[name];
      return meaning ? el("span", "", name, el("br", ""), el("small", "muted", meaning)) : name;
    };
    const lines = Object.entries(columns)
      .map(([name, column]) => ({ cells: [named(name), ...shown.map((row) => D.number(D.valueOf(column, row)))] }))
      .filter(({ cells }) => cells.slice(1).some((text) => text !== D.MISSING));
    const head = shown.map((row) => D.named(row) + (D.get("chosen", row) ? ", chosen" : ""));
    return [table(label, "numbers", ["Number", ...head], lines)];
  };

  const tokenStrip = (row) => {
    const { tokens, tokenKinds, tokenMarks } = D.all();
    const squares = tokens[row].map((place, token) => {
      const kind = tokenKinds[place];
      const square = el("span", `token${kind in tokenMarks ? ` t-${kind}` : ""}`, tokenMarks[kind] ?? "?");
      square.title = `token ${token}: ${kind}`;
      return square;
    });
    return el("div", "tokens", ...squares);
  };

  const legend = (row) => {
    const { tokens, tokenKinds } = D.all();
    const counts = new Map();
    for (const place of tokens[row]) counts.set(place, (counts.get(place) ?? 0) + 1);
    return [...counts].map(([place, n]) => `${n} ${tokenKinds[place]}`).join(", ");
  };

  const why = (row) => {
    const found = [];
    const problem = D.get("problem", row), reasons = D.reasons(row);
    if (problem !== null) found.push(el("p", "note", problem));
    if (reasons.length) found.push(el("ul", "", ...reasons.map((text) => el("li", "", text))));
    if (!found.length) found.push(el("p", "muted", "This model was not labelled."));
    if (D.all().kappa[row].length) {
      found.push(scrolling(`Figure: kappa, ${D.named(row)}`, PhaseFigures.kappa(row)));
      found.push(el("p", "muted", `${legend(row)}. kappa: how far a token follows counts written for other tokens.`));
      if (D.all().tokens[row].length) found.push(tokenStrip(row));
    }
    const facts = FACTS.filter((name) => D.get(name, row) !== null).map((name) =>
      el("div", "", el("dt", "", name.replace("_", " ")), el("dd", "", D.number(D.get(name, row)))));
    return [...found, el("dl", "facts", ...facts)];
  };

  const figure = (rows) => {
    const [svg, words] = PhaseFigures.accuracy(rows);
    return [scrolling("Figure: accuracy by seed and learning rate", svg), el("p", "muted", words)];
  };

  // The dialog's content for one cell of the data; says are the maps' words on it.
  const build = (cell, says) => {
    const rank = (row) => [D.get("chosen", row) ? 0 : 1, Number(D.get("seed", row)), D.get("lr", row)];
    const rows = [...cell.rows].sort((a, b) => {
      const [x, y] = [rank(a), rank(b)];
      const at = x.findIndex((value, i) => value !== y[i]);
      return at < 0 ? 0 : x[at] - y[at];
    });
    const title = (row) => [
      `Why: ${D.named(row)} `, chip(D.get("mechanism", row), KNOWN, "k-"),
      el("span", "muted", ` ${D.percent(D.get("accuracy", row))}${D.get("chosen", row) ? ", chosen" : ""}`),
    ];
    return [
      el("ul", "", ...says.map((text) => el("li", "", text))),
      models(rows),
      el("h3", "", "Look closer"),
      folded(["Figure: accuracy by seed and learning rate"], () => figure(rows)),
      folded(["Evidence behind the labels"], () => numbers("Evidence", D.all().evidence, rows)),
      folded(["Measures of all probes"], () => numbers("Measures", D.all().measures, rows)),
      ...rows.map((row) => folded(title(row), () => why(row))),
    ];
  };
  return { build };
})();
