"use strict";
// The embedded table, read when the first cell is opened; numbers as readers want to see them.
const PhaseData = (() => {
  const MISSING = "–";
  let content = null;

  const all = () => {
    content ??= JSON.parse(document.getElementById("data").textContent);
    return content;
  };

  // A column's value of one model; strings are stored once and known by their place.
  const valueOf = (column, row) => {
    const value = column.values[row];
    return column.text && value !== null ? all().strings[value] : value;
  };
  const get = (name, row) => valueOf(all().columns[name], row);

  // A sentence is stored as the place of its words, then the numbers between them.
  const sentence = ([place, ...numbers]) =>
    all().sentences[place].map((words, i) => words + (numbers[i] ?? "")).join("");
  const reasons = (row) => all().reasons[row].map(sentence);

  const number = (value) => {
    if (value === null || value === undefined) return MISSING;
    if (typeof value === "string") return value;
    if (Number.isInteger(value)) return String(value).replace("-", "−");
    const size = Math.abs(value);
    const text = size < 1e-3 || size >= 1e6 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
    return text.replace("-", "−");
  };
  // Only an exact share reads 0 % or 100 %.
  const percent = (share, decimals = 1) => {
    if (share === null || share === undefined) return MISSING;
    if (share === 0 || share === 1) return `${100 * share} %`;
    const text = (100 * share).toFixed(decimals), step = 10 ** -decimals;
    if (Number(text) >= 100 && share < 1) return `>${(100 - step).toFixed(decimals)} %`;
    if (Number(text) <= 0 && share > 0) return `<${step.toFixed(decimals)} %`;
    return `${text.replace("-", "−")} %`;
  };

  const named = (row) => `seed ${number(get("seed", row))}, rate ${number(get("lr", row))}`;
  const indexOf = (key) => all().cells.findIndex((cell) => cell.key === key);
  return { MISSING, all, valueOf, get, reasons, number, percent, named, indexOf };
})();
