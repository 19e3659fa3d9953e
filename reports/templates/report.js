"use strict";
(() => {
  const models = [...document.querySelectorAll("details.model")];
  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;

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
    const rows = [...body.rows].sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      return down ? compare(b, a) : compare(a, b);
    });
    body.append(...rows);
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const table of document.querySelectorAll("table.overview")) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sortBy(table, headers, column));
    });
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
