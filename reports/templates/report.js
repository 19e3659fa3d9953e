"use strict";
(() => {
  const models = [...document.querySelectorAll("details.model")];
  const tables = [...document.querySelectorAll("table.overview")];
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const nameOf = (model) => model.querySelector("h3").textContent;
  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Sorting: numbers by value, words by the alphabet, missing values last either way.
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const sortBy = (table, headers, column) => {
    const header = headers[column];
    const down = header.getAttribute("aria-sort") === "ascending";
    const compare = header.dataset.kind === "number"
      ? (a, b) => Number(a) - Number(b)
      : (a, b) => words.compare(a, b);
    const key = (row) => row.cells[column].dataset.sort;
    const body = table.tBodies[0];
    const sorted = [...body.rows].sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      return down ? compare(b, a) : compare(a, b);
    });
    body.append(...sorted);
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const table of tables) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sortBy(table, headers, column));
    });
  }

  // Filtering: what is asked for has to hold, and what a model does not say does not hold.
  const filter = document.getElementById("filter");
  const asked = (name) => filter.elements[name]?.value.trim() ?? "";
  const within = (name, share) => {
    const from = asked(`${name}-from`), to = asked(`${name}-to`);
    if (from === "" && to === "") return true;
    if (share === "") return false;
    const value = 100 * Number(share);
    return (from === "" || value >= Number(from)) && (to === "" || value <= Number(to));
  };
  const equals = (name, value) => asked(name) === "" || asked(name) === value;
  const tagged = (element) => asked("tag") === "" || JSON.parse(element.dataset.tags).includes(asked("tag"));
  const meant = (row) => {
    const text = `${row.textContent} ${row.dataset.family}`.toLowerCase();
    return asked("words").toLowerCase().split(/\s+/).every((word) => text.includes(word))
      && equals("task", row.closest(".of-a-task").dataset.task)
      && equals("family", row.dataset.family) && equals("kind", row.dataset.kind) && tagged(row)
      && within("share", row.dataset.share) && within("sure", row.dataset.sure);
  };
  const apply = () => {
    for (const row of rows) {
      row.hidden = !meant(row);
      document.getElementById(row.dataset.model).hidden = row.hidden;
    }
    for (const part of document.querySelectorAll(".of-a-task")) part.hidden = !part.querySelector("tbody tr:not([hidden])");
    for (const own of document.querySelectorAll(".own")) own.hidden = !tagged(own);
    document.getElementById("found").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} models`;
  };
  if (filter) {
    filter.addEventListener("input", apply);
    filter.addEventListener("submit", (event) => event.preventDefault());
    filter.addEventListener("reset", () => setTimeout(apply)); // after the fields are empty
    apply();
  }

  const setAll = (open) => { for (const model of models) model.open = open; };
  document.getElementById("expand-all").addEventListener("click", () => setAll(true));
  document.getElementById("collapse-all").addEventListener("click", () => setAll(false));

  // A link to a closed section opens it, whether pressed here or typed as an address.
  const reveal = (fragment) => {
    const target = fragment.length > 1 && document.getElementById(fragment.slice(1));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) reveal(link.getAttribute("href"));
  });
  window.addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);

  // Two models side by side: what differs first, the most different number before the others.
  const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const valueOf = (text) => {
    const plain = text.replaceAll("−", "-").replace("⁻", "-")
      .replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (digit) => superscripts.indexOf(digit))
      .replace(/ × 10(?=-?\d)/, "e");
    return Number.parseFloat(plain);
  };
  const saidOf = (model) => {
    const said = new Map(), row = rows.find((one) => one.dataset.model === model.id);
    const titles = [...row.closest("table").tHead.rows[0].cells].map((cell) => cell.textContent);
    [...row.cells].slice(1).forEach((cell, i) => said.set(titles[i + 1], cell.textContent));
    for (const table of model.querySelectorAll("table.metrics")) {
      for (const { cells } of table.tBodies[0].rows) {
        said.set(`${table.dataset.of}: ${cells[0].textContent}`, cells[1].textContent);
      }
    }
    return said;
  };
  const apart = (one, two) => {
    if (one === two) return -1;
    const a = valueOf(one), b = valueOf(two);
    if (Number.isNaN(a) || Number.isNaN(b)) return one === "–" || two === "–" ? 0 : Infinity;
    return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-12);
  };
  const compareTable = (label, names, lines) => {
    const head = make("tr", {}, ...["What", ...names].map((text) => make("th", { scope: "col" }, text)));
    const body = lines.map(([what, one, two]) =>
      make("tr", {}, make("th", { scope: "row" }, what), make("td", {}, one), make("td", {}, two)));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
    table.dataset.file = label;
    const box = make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, table);
    addSave(table);
    return box;
  };
  const picturesOf = (model) => new Map([...model.querySelectorAll(".finding:has(img)")].map((finding) =>
    [finding.querySelector("h4 a").textContent, finding.querySelector("img")]));
  const compared = (one, two) => {
    const names = [nameOf(one), nameOf(two)], a = saidOf(one), b = saidOf(two);
    const lines = [...new Set([...a.keys(), ...b.keys()])].map((what) => [what, a.get(what) ?? "–", b.get(what) ?? "–"]);
    const by = new Map(lines.map((line) => [line, apart(line[1], line[2])]));
    const differ = lines.filter((line) => by.get(line) >= 0).sort((x, y) => (by.get(x) < by.get(y)) - (by.get(x) > by.get(y)));
    const alike = lines.filter((line) => by.get(line) < 0);
    const pictures = picturesOf(two);
    const pairs = [...picturesOf(one)].filter(([probe]) => pictures.has(probe)).map(([probe, image]) =>
      make("div", { className: "pair" }, ...[image, pictures.get(probe)].map((picture, i) =>
        make("figure", {}, make("figcaption", {}, `${probe}, ${names[i]}`), make("div", { className: "picture" }, picture.cloneNode())))));
    return [
      make("h3", {}, `What differs (${differ.length})`), compareTable("Differences", names, differ),
      make("details", { className: "more" }, make("summary", {}, `Alike in both (${alike.length})`), compareTable("Alike", names, alike)),
      make("details", { className: "more" }, make("summary", {}, `Figures (${pairs.length})`), ...pairs),
    ];
  };
  const chosen = ["compare-one", "compare-two"].map((id) => document.getElementById(id)).filter(Boolean);
  for (const select of chosen) {
    for (const model of models) select.append(make("option", { value: model.id }, nameOf(model)));
    select.addEventListener("change", () => {
      const [one, two] = chosen.map(({ value }) => value && document.getElementById(value));
      const ready = one && two && one !== two;
      document.getElementById("compared").replaceChildren(...(ready ? compared(one, two) : []));
    });
  }

  // Downloads, made here: a table as CSV, a figure as PNG.
  const save = (blob, name) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const fileName = (text, ending) => `${text.replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "") || "table"}.${ending}`;
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csvOf = (table) => [...table.rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => quoted(cell.innerText.trim().replaceAll("−", "-"))).join(",")).join("\r\n");
  function addSave(table) {
    const box = table.closest(".scroll"), name = table.dataset.file ?? box.getAttribute("aria-label");
    const button = make("button", { type: "button", className: "save", ariaLabel: `Save the table as CSV: ${box.getAttribute("aria-label")}` }, "Save as CSV");
    button.addEventListener("click", () => save(new Blob(["\ufeff", csvOf(table), "\r\n"], { type: "text/csv" }), fileName(name, "csv")));
    table.after(button);
  }
  for (const table of document.querySelectorAll(".scroll > table")) addSave(table);
  for (const image of document.querySelectorAll(".picture > img")) {
    const button = make("button", { type: "button", className: "save", ariaLabel: `Save the figure as PNG: ${image.alt}` }, "Save as PNG");
    button.addEventListener("click", () => {
      const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
      canvas.getContext("2d").drawImage(image, 0, 0);
      canvas.toBlob((blob) => save(blob, fileName(image.alt.split(":")[0], "png")), "image/png");
    });
    image.parentElement.after(button);
  }

  // Paper cannot be unfolded: open everything to print, then put it back.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const element of closed) element.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
    closed = [];
  });
})();
