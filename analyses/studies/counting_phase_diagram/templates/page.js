// The maps: arrow keys move, Enter or a click opens a cell's models, Escape closes them.
(() => {
  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
  const dialog = document.getElementById("models");
  const title = document.getElementById("models-title"), body = document.getElementById("models-body");
  let last = null;

  const open = (index, from) => {
    const cell = PhaseData.all().cells[index];
    if (!cell) return;
    const shown = [...document.querySelectorAll(`.map [data-cell="${index}"]`)];
    const says = shown.map((square) => {
      const name = square.closest(".map").parentElement.querySelector("h3").textContent;
      return `${name}: ${square.getAttribute("aria-label").replace(/^d = \d+, p = \d+: /, "")}`;
    });
    last = from ?? shown[0] ?? null;
    title.textContent = `${cell.a}, d = ${cell.d}, p = ${cell.p}`;
    body.replaceChildren(...PhasePanel.build(cell, says));
    history.replaceState(null, "", `#cell=${encodeURIComponent(cell.key)}`);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };

  dialog.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    last?.focus();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.getElementById("models-close").addEventListener("click", () => dialog.close());

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const keep = (value, count) => Math.min(Math.max(value, 0), count - 1);

  for (const map of document.querySelectorAll(".map")) {
    const rows = [...map.querySelectorAll('[role="row"]')].map((row) => [...row.querySelectorAll(".cell")]);
    map.classList.add("live");
    // One stop of the Tab key for each map; arrow keys go on from there.
    rows.flat().forEach((cell, i) => cell.setAttribute("tabindex", i === 0 ? "0" : "-1"));
    const focus = (cell) => {
      for (const other of map.querySelectorAll('.cell[tabindex="0"]')) other.setAttribute("tabindex", "-1");
      cell.setAttribute("tabindex", "0");
      cell.focus();
    };
    map.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (!cell) return;
      focus(cell);
      open(Number(cell.dataset.cell), cell);
    });
    map.addEventListener("keydown", (event) => {
      const cell = event.target.closest(".cell");
      if (!cell) return;
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        open(Number(cell.dataset.cell), cell);
      }
      const y = rows.findIndex((row) => row.includes(cell)), x = rows[y].indexOf(cell);
      let next = null;
      if (event.key in MOVES) {
        const [down, right] = MOVES[event.key], row = rows[keep(y + down, rows.length)];
        next = row[keep(x + right, row.length)];
      }
      if (event.key === "Home") next = rows[y][0];
      if (event.key === "End") next = rows[y].at(-1);
      if (!next) return;
      event.preventDefault();
      focus(next);
    });
  }

  // A link to a cell opens it, whether from the comparison or typed as an address.
  const reveal = () => {
    if (!location.hash.startsWith("#cell=")) return;
    let key = location.hash.slice(6);
    try { key = decodeURIComponent(key); } catch { return; }
    const index = PhaseData.indexOf(key);
    if (index >= 0) open(index, null);
  };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
