// Tables of the user's functions: sort by a click on a header.
"use strict";
(() => {
  // What a cell sorts by: a number where it is one; rounded as shown, which keeps the order. What is missing comes last.
  function key(text) {
    if (text === "–" || text === "" || text === "nan") return null;
    const number = Number(text.endsWith("%") ? text.slice(0, -1) : text);
    return Number.isNaN(number) ? (text === "inf" ? Infinity : text === "-inf" ? -Infinity : text.toLowerCase()) : number;
  }

  function compare(a, b) {
    if (a === null || b === null) return null;
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  // Places of keys in order; null comes last in both directions.
  function order(keys, direction) {
    const sign = direction === "descending" ? -1 : 1;
    return keys.map((_, at) => at).sort((i, j) => {
      const [a, b] = [keys[i], keys[j]];
      return (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)) || i - j;
    });
  }

  // The next direction of a header, which it shows from now on.
  function turn(header, direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending") {
    header.closest("thead").querySelectorAll("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", direction);
    return direction;
  }

  addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table.sortable button.sort").forEach((button) => {
      const header = button.closest("th");
      const body = header.closest("table").tBodies[0];
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const rows = [...body.rows];
        const keys = rows.map((row) => key(row.cells[header.cellIndex].textContent.trim()));
        body.append(...order(keys, turn(header)).map((at) => rows[at]));
      });
    });
  });

  mrl.table = { order, turn };
})();
