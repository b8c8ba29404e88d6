// Sorts a table by one of its columns: a click, Enter or Space on a heading; again turns it round, again restores it.
// Numbers sort as numbers, what is missing stays last either way, and each part of a table is sorted below its heading.
"use strict";
(() => {
  const MISSING = new Set(["", "–", "NaN", "nan", "None", "NaT", "<NA>"]);
  const NUMBER = /^([−-]?)(\d+(?:\.\d+)?(?:e[+-]?\d+)?|∞)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(?![\w.-])/;
  const POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const words = new Intl.Collator("en", { numeric: true });

  // The number that a text begins with, 7.71 of "7.71 [6.98, 8.51] MOhm"; NaN where it begins with none.
  const numberOf = (text) => {
    const found = NUMBER.exec(text);
    if (!found) return NaN;
    const power = (found[3] || "").replace("⁻", "-").replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (sign) => POWERS.indexOf(sign));
    const size = found[2] === "∞" ? Infinity : Number(power ? `${found[2]}e${power}` : found[2]);
    return found[1] ? -size : size;
  };

  const textOf = (row, column) => row.cells[column].textContent.trim();

  const compareBy = (rows, column, turned) => {
    const texts = rows.map((row) => textOf(row, column)).filter((text) => !MISSING.has(text));
    const numeric = texts.every((text) => !Number.isNaN(numberOf(text)));
    const compared = numeric
      ? (a, b) => (numberOf(a) === numberOf(b) ? 0 : numberOf(a) < numberOf(b) ? -1 : 1)
      : words.compare;
    return (one, other) => {
      const [a, b] = [textOf(one, column), textOf(other, column)];
      if (MISSING.has(a) || MISSING.has(b)) return MISSING.has(a) - MISSING.has(b);
      return turned ? compared(b, a) : compared(a, b);
    };
  };

  for (const table of document.querySelectorAll("main table")) {
    if (!table.tHead || table.tHead.rows.length !== 1 || table.querySelector("thead [colspan], [rowspan]")) continue;
    const heads = [...table.tHead.rows[0].cells];
    const bodies = [...table.tBodies].map((body) => [...body.rows].filter((row) => row.cells.length === heads.length));
    if (!bodies.some((rows) => rows.length > 1)) continue;
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const state = head.getAttribute("aria-sort");
        const next = state === "descending" ? null : state === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        const compare = compareBy(bodies.flat(), column, next === "descending");
        bodies.forEach((rows, place) => table.tBodies[place].append(...(next ? [...rows].sort(compare) : rows)));
      });
    });
  }
})();
