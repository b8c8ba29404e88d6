// What a reader does with a table of the page. Sorts it by a column: a click, Enter or Space on a heading; again turns it
// round, again restores it. Numbers sort as numbers, what is missing stays last either way, and each part of a table is
// sorted below its heading. Of a long table (`.paged`) it shows a page of rows at a time, and finds rows by what they
// hold; the others are hidden, so that they cost no layout. On paper all are there (page.css).
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

  const compareBy = (rows, column, turned) => {
    const texts = rows.map((row) => row.cells[column].textContent.trim());
    const known = texts.filter((text) => !MISSING.has(text));
    const numeric = known.every((text) => !Number.isNaN(numberOf(text)));
    const compared = numeric ? (a, b) => (a === b ? 0 : a < b ? -1 : 1) : words.compare;
    const key = (text) => (MISSING.has(text) ? null : numeric ? numberOf(text) : text);
    const keys = new Map(rows.map((row, place) => [row, key(texts[place])]));
    return (one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return turned ? compared(b, a) : compared(a, b);
    };
  };

  const add = (parent, tag, attributes, ...inside) => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...inside);
    parent.append(element);
    return element;
  };

  // Puts what pages a long table above it; returns what shows the first page of rows in a given order, a list a body.
  const pageThrough = (table, box) => {
    const bar = add(box, "div", { class: "pages", role: "group", "aria-label": `Rows of: ${table.caption.textContent}` });
    box.prepend(bar);
    const [previous, next] = ["Previous", "Next"].map((name) => add(bar, "button", { type: "button" }, name));
    const range = add(bar, "span", { role: "status" });
    const whole = add(bar, "button", { type: "button", "aria-pressed": "false" }, "All rows");
    const wanted = add(add(bar, "label", {}, "Find rows with "), "input", { type: "search" });
    const size = Number(box.dataset.rows);
    const plain = (text) => text.trim().toLowerCase().replaceAll("−", "-");
    const texts = new Map();
    const textOf = (row) => texts.get(row) ?? texts.set(row, plain(row.textContent)).get(row);
    let bodies, first;

    const show = (from) => {
      first = from;
      const [text, all] = [plain(wanted.value), whole.getAttribute("aria-pressed") === "true"];
      const rows = bodies.flat();
      const found = text ? rows.filter((row) => textOf(row).includes(text)) : rows;
      const last = all ? found.length : Math.min(first + size, found.length);
      const shown = new Set(found.slice(first, last));
      rows.forEach((row) => (row.hidden = !shown.has(row)));
      bodies.forEach((own, place) => {
        const heading = table.tBodies[place].rows[0];
        if (heading !== own[0]) heading.hidden = !own.some((row) => shown.has(row));
      });
      // Not `disabled`, which would take the focus away from whoever steps to the end by the keyboard.
      previous.setAttribute("aria-disabled", first === 0);
      next.setAttribute("aria-disabled", last === found.length);
      const [total, of] = [rows.length, found.length].map((n) => n.toLocaleString("en"));
      const place = `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")}`;
      range.textContent = last ? `Rows ${place} of ${text ? `${of} found in ${total}` : total}` : `None of ${total} rows`;
    };

    const step = (button, by) =>
      button.addEventListener("click", () => {
        if (button.getAttribute("aria-disabled") === "true") return;
        show(first + by);
        if (box.getBoundingClientRect().top < 0) box.scrollIntoView();
      });
    step(previous, -size);
    step(next, size);
    whole.addEventListener("click", () => {
      whole.setAttribute("aria-pressed", whole.getAttribute("aria-pressed") === "false");
      show(0);
    });
    wanted.addEventListener("input", () => show(0));
    return (ordered) => {
      bodies = ordered;
      show(0);
    };
  };

  for (const table of document.querySelectorAll("main table")) {
    if (!table.tHead || table.tHead.rows.length !== 1 || table.querySelector("thead [colspan], [rowspan]")) continue;
    const heads = [...table.tHead.rows[0].cells];
    const bodies = [...table.tBodies].map((body) => [...body.rows].filter((row) => row.cells.length === heads.length));
    const box = table.closest(".paged");
    const showFirstPage = box ? pageThrough(table, box) : () => {};
    showFirstPage(bodies);
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
        const ordered = next ? bodies.map((rows) => [...rows].sort(compare)) : bodies;
        ordered.forEach((rows, place) => rows.forEach((row) => table.tBodies[place].append(row)));
        showFirstPage(ordered);
      });
    });
  }
})();
