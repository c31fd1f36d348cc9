// Tables: sort by a click on a header, filter the results.
"use strict";
(() => {
  // What a cell sorts by: a number where it is one; rounded as shown, which keeps the order. What is missing comes last.
  function key(cell) {
    const text = cell.textContent.trim();
    if (text === "–" || text === "" || text === "nan") return null;
    const number = Number(text);
    return Number.isNaN(number) ? (text === "inf" ? Infinity : text === "-inf" ? -Infinity : text.toLowerCase()) : number;
  }

  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  function sort(table, header) {
    const column = header.cellIndex;
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
    body.append(...rows.map(([, row]) => row));
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", direction);
  }

  // `lr<0.1 adam`: each word must hold; NAME OP VALUE compares a column, any other word is looked for in the row.
  const CONDITION = /^(.+?)(<=|>=|!=|==|=|<|>)(.+)$/;
  const TESTS = {
    "<": (c) => c < 0, ">": (c) => c > 0, "<=": (c) => c <= 0, ">=": (c) => c >= 0,
    "=": (c) => c === 0, "==": (c) => c === 0, "!=": (c) => c !== 0,
  };

  function matcher(words, columns) {
    const tests = words.split(/\s+/).filter(Boolean).map((word) => {
      const [, name, operator, value] = word.match(CONDITION) || [];
      const column = columns.get(name);
      if (column === undefined) return (row) => row.textContent.toLowerCase().includes(word.toLowerCase());
      const wanted = value.trim() === "" || Number.isNaN(Number(value)) ? value.toLowerCase() : Number(value);
      return (row) => {
        const found = key(row.cells[column]);
        return found !== null && typeof found === typeof wanted ? TESTS[operator](compare(found, wanted)) : operator === "!=";
      };
    });
    return (row) => tests.every((test) => test(row));
  }

  function addFilter(table) {
    const body = table.tBodies[0];
    const columns = new Map([...table.querySelectorAll("th[data-name]")].map((th) => [th.dataset.name, th.cellIndex]));
    const example = [...columns.keys()][0];
    const box = mrl.element("input", { type: "search", placeholder: `filter, such as ${example}=…`, spellcheck: "false" });
    const count = mrl.element("span", { class: "count", role: "status" });
    box.addEventListener("input", () => {
      const matches = matcher(box.value, columns);
      let shown = 0;
      for (const row of body.rows) {
        row.hidden = !matches(row);
        shown += !row.hidden;
      }
      count.textContent = box.value.trim() ? `${shown} of ${body.rows.length}` : "";
    });
    table.closest(".scroll").before(mrl.element("div", { class: "tools" }, mrl.element("label", {}, "Filter ", box), count));
  }

  function linkHover(table) {
    table.addEventListener("pointerover", (event) => mrl.hover(event.target.closest("tr[data-id]")?.dataset.id ?? null));
    table.addEventListener("pointerleave", () => mrl.hover(null));
    const rows = new Map([...table.querySelectorAll("tr[data-id]")].map((row) => [row.dataset.id, row]));
    let marked = null;
    document.addEventListener("mrl-hover", (event) => {
      marked?.classList.remove("hover");
      marked = rows.get(event.detail);
      marked?.classList.add("hover");
    });
  }

  addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table.sortable").forEach((table) => {
      table.querySelectorAll("button.sort").forEach((button) => {
        const header = button.closest("th");
        header.setAttribute("aria-sort", "none");
        button.addEventListener("click", () => sort(table, header));
      });
      if (table.tBodies[0].rows.length > 1 && table.hasAttribute("data-filter")) addFilter(table);
      if (table.hasAttribute("data-filter")) linkHover(table);
    });
  });
})();
