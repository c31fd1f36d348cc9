// The results: a row a sub-experiment, of which only those in view are in the page. Sort, filter, columns, CSV.
"use strict";
(() => {
  const FEW = 200; // so many rows are all in the page: they can be found by the browser, and printed
  const PRINTED = 2000; // so many are printed
  const SPARE = 12; // rows above and below those in view
  const STATS = ["last", "min", "max"];

  mrl.views.results = (root, data) => {
    const table = root.querySelector("table");
    const box = table.closest(".scroll");
    const body = table.tBodies[0];
    const runs = mrl.runs();
    const columns = columnsOf(data, runs);
    // A param comes before the run's own columns, should it have the name of one.
    const byName = new Map([...columns].sort((a, b) => Number(a.param) - Number(b.param)).map((column) => [column.name, column.values]));
    const anyOrphan = data.ids.some(runs.orphan);
    if (anyOrphan && !byName.has("orphan")) byName.set("orphan", data.ids.map(runs.orphan));
    const headers = [...table.querySelectorAll("th[data-name]")];
    let matches = () => true;
    let order = data.ids.map((_, row) => row);
    let shown = order; // those of them that the filter leaves
    let drawn = new Map(); // id -> row element
    let height = 0;
    const sizes = mrl.element("colgroup");
    table.prepend(sizes);

    columns.forEach((column, at) => { column.header = headers[at]; });
    // Of the params, the run and the metrics, those that are not hidden.
    const visible = () => columns.filter((column) => !column.header.hidden);

    // --- rows ---
    function rowOf(row) {
      const id = data.ids[row];
      const made = mrl.element("tr", { "data-id": id });
      if (mrl.chosen.picks.has(id)) made.className = "picked";
      for (const column of visible()) made.append(cellOf(column, row));
      drawn.set(id, made);
      return made;
    }

    function cellOf(column, row) {
      const value = column.values[row];
      if (column.id) {
        const name = runs.href(value) ? mrl.element("a", { href: runs.href(value) }, value) : value;
        return mrl.element("th", { scope: "row" }, name);
      }
      if (column.state) {
        const badge = mrl.element("span", { class: `badge ${runs.css(value)}` }, value);
        return mrl.element("td", {}, badge, ...(runs.orphan(data.ids[row]) ? [" ", orphan()] : []));
      }
      const number = typeof value === "number" || (value !== null && typeof value === "object");
      const marks = [[column.metric || number, "num"], [value?.n, "odd"], [column.best !== null && value === column.best, "best"], [column.start, "start"]];
      const names = marks.filter(([is]) => is).map(([, name]) => name).join(" ");
      return mrl.element("td", names ? { class: names } : {}, column.text(value));
    }

    const orphan = () => mrl.element("span", { class: "badge st-interrupted", title: "its params are no longer in the grid" }, "orphan");

    function space(rows) {
      const made = mrl.element("tr", { class: "space", "aria-hidden": "true" });
      made.append(mrl.element("td", { colspan: visible().length }));
      made.firstChild.style.height = `${rows * height}px`;
      return made;
    }

    // Widths must not depend on what is in view: those of a row with the longest text of each column stay.
    function measure() {
      table.classList.remove("measured");
      table.style.width = "";
      table.style.minWidth = "0";
      const made = mrl.element("tr");
      for (const column of visible()) {
        column.longest ??= column.values.map(column.text).reduce((a, b) => (b.length > a.length ? b : a), "");
        made.append(column.state ? mrl.element("td", {}, mrl.element("span", { class: "badge" }, column.longest), ...(anyOrphan ? [" ", orphan()] : []))
          : mrl.element("td", { class: column.metric ? "num best" : "" }, column.longest));
      }
      sizes.replaceChildren();
      body.replaceChildren(made, rowOf(shown[0]));
      height = body.rows[1].getBoundingClientRect().height;
      const widths = visible().map((column) => Math.ceil(column.header.getBoundingClientRect().width) + 4);
      sizes.append(...widths.map((width) => {
        const size = mrl.element("col");
        size.style.width = `${width}px`;
        return size;
      }));
      table.style.width = `max(100%, ${widths.reduce((a, b) => a + b, 0)}px)`;
      table.style.minWidth = "";
      table.classList.add("measured");
    }

    let window_ = [0, 0];
    function draw() {
      drawn = new Map();
      if (shown.length <= FEW) {
        body.replaceChildren(...shown.map(rowOf));
        return;
      }
      if (!height) measure();
      const first = Math.max(Math.floor(box.scrollTop / height) - SPARE, 0);
      const last = Math.min(first + Math.ceil(box.clientHeight / height) + 2 * SPARE, shown.length);
      window_ = [first, last];
      body.replaceChildren(space(first), ...shown.slice(first, last).map(rowOf), space(shown.length - last));
    }

    box.addEventListener("scroll", () => {
      if (shown.length <= FEW) return;
      const first = Math.floor(box.scrollTop / height);
      const last = first + Math.ceil(box.clientHeight / height);
      if (first < window_[0] || last > window_[1] || (first < window_[0] + 3 && window_[0] > 0)) draw();
    }, { passive: true });

    new ResizeObserver(() => {
      if (shown.length > FEW && box.clientHeight > (window_[1] - window_[0] - SPARE) * height) draw();
    }).observe(box);

    // On paper nobody scrolls.
    addEventListener("beforeprint", () => body.replaceChildren(...shown.slice(0, PRINTED).map(rowOf)));
    addEventListener("afterprint", draw);

    // --- order ---
    const keys = (column) => column.values.map((value) => (value === null ? null
      : typeof value === "object" ? (value.n === "nan" ? null : value.n === "inf" ? Infinity : -Infinity)
        : typeof value === "string" ? value.toLowerCase() : Number(value)));

    function sort(column, direction) {
      mrl.table.turn(column.header, direction);
      order = mrl.table.order(keys(column), direction);
      update();
    }

    for (const column of columns) {
      column.header.setAttribute("aria-sort", "none");
      column.header.querySelector("button").addEventListener("click", () => {
        const direction = column.header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        sort(column, direction);
        mrl.address.set("sort", (direction === "descending" ? "-" : "") + column.name);
      });
    }

    // --- filter ---
    const texts = new Map();
    const rowText = (row) => {
      if (!texts.has(row)) texts.set(row, columns.map((column) => column.text(column.values[row])).join(" ").toLowerCase());
      return texts.get(row);
    };
    const example = data.params.length ? mrl.filter.quote(data.params[0][0]) : "id";
    const input = mrl.element("input", { type: "search", placeholder: `filter, as ${example} == …`, spellcheck: "false", autocomplete: "off", "aria-label": "Filter sub-experiments" });
    const count = mrl.element("span", { class: "count", role: "status" });
    const unpick = mrl.element("button", { type: "button", class: "press", hidden: "" });

    let understood = "";
    function filter(text) {
      try {
        const test = mrl.filter(text, byName, rowText);
        data.ids.some((_, row) => { test(row); return true; });
        matches = test;
        input.removeAttribute("aria-invalid");
      } catch (error) {
        input.setAttribute("aria-invalid", "true");
        count.textContent = `${error.message}${understood ? ` (shown: ${understood})` : ""}`;
        return;
      }
      understood = text.trim() && text;
      mrl.address.set("where", understood);
      update();
      mrl.chosen.keep(understood ? new Set(shown.map((row) => data.ids[row])) : null);
    }

    function update() {
      shown = order.filter((row) => matches(row));
      table.setAttribute("aria-rowcount", shown.length + 1);
      count.textContent = shown.length < order.length ? `${shown.length} of ${order.length}` : "";
      box.scrollTop = 0;
      draw();
    }

    input.addEventListener("input", () => filter(input.value));
    document.addEventListener("mrl-filter", ({ detail }) => {
      const said = input.hasAttribute("aria-invalid") ? understood : input.value;
      input.value = detail(said, byName.keys());
      filter(input.value);
    });
    unpick.addEventListener("click", mrl.chosen.unpick);

    function picked() {
      drawn.forEach((element, id) => element.classList.toggle("picked", mrl.chosen.picks.has(id)));
      unpick.hidden = mrl.chosen.picks.size === 0;
      unpick.textContent = `${mrl.chosen.picks.size} picked ✕`;
      unpick.title = [...mrl.chosen.picks].join(", ");
    }
    document.addEventListener("mrl-pick", picked);
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-id]");
      if (row && !event.target.closest("a") && getSelection().isCollapsed) mrl.chosen.toggle(row.dataset.id);
    });

    body.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr[data-id]");
      if (!row || event.key !== " ") return;
      event.preventDefault();
      mrl.chosen.toggle(row.dataset.id);
    });

    // --- columns ---
    const hidden = new Set(mrl.address.get("hide").split("|").filter(Boolean));
    function hide() {
      for (const column of columns) {
        column.header.hidden = column.parts.some((part) => hidden.has(part));
      }
      const groups = table.querySelector("tr.groups");
      if (groups) {
        groups.cells[0].colSpan = visible().filter((column) => !column.metric).length;
        data.metrics.forEach((metric, at) => {
          const wide = visible().filter((column) => column.metric === metric.name).length;
          groups.cells[at + 1].hidden = wide === 0;
          groups.cells[at + 1].colSpan = wide || 1;
        });
      }
      for (const metric of data.metrics) {
        const own = visible().filter((column) => column.metric === metric.name);
        own.forEach((column, at) => { column.start = at === 0; column.header.classList.toggle("start", at === 0); });
      }
      height = 0;
      draw();
    }

    function menu() {
      const list = mrl.element("div", { class: "choices" });
      for (const part of new Set(columns.flatMap((column) => column.parts))) {
        list.append(mrl.checkbox(part.replace(/^\.|[.:]$/g, ""), !hidden.has(part), (on) => {
          if (on) hidden.delete(part);
          else hidden.add(part);
          mrl.address.set("hide", [...hidden].join("|"));
          hide();
        }));
      }
      const made = mrl.element("details", { class: "menu" }, mrl.element("summary", {}, "Columns"), list);
      document.addEventListener("click", (event) => { if (!made.contains(event.target)) made.open = false; });
      made.addEventListener("keydown", (event) => { if (event.key === "Escape") { made.open = false; made.firstChild.focus(); } });
      return made;
    }

    // --- CSV ---
    function csv() {
      const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
      const exact = (value) => (value === null ? "" : typeof value === "object" ? value.n
        : typeof value === "boolean" ? mrl.cell(value) : String(value));
      const lines = [visible().map((column) => column.name), ...shown.map((row) => visible().map((column) => exact(column.values[row])))];
      return lines.map((line) => line.map((value) => quoted(String(value))).join(",") + "\n").join("");
    }
    const copy = mrl.element("button", { type: "button", class: "press" }, "Copy as CSV");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(csv());
        copy.textContent = "Copied";
      } catch {
        copy.textContent = "The browser did not let it";
      }
      setTimeout(() => { copy.textContent = "Copy as CSV"; }, 1500);
    });
    mrl.csv = csv;

    // --- the pointer ---
    table.addEventListener("pointerover", (event) => mrl.hover(event.target.closest("tr[data-id]")?.dataset.id ?? null));
    table.addEventListener("pointerleave", () => mrl.hover(null));
    let marked = null;
    document.addEventListener("mrl-hover", (event) => {
      marked?.classList.remove("hover");
      marked = drawn.get(event.detail);
      marked?.classList.add("hover");
    });

    if (data.ids.length > 1) {
      root.prepend(mrl.element("div", { class: "tools" }, menu(), copy));
      document.querySelector(".contents .wrap").append(mrl.element("div", { class: "chooser" }, unpick, count, input));
    }
    const wanted = mrl.address.get("sort");
    const sorted = columns.find((column) => column.name === wanted.replace(/^-/, "") || column.name === wanted);
    if (sorted) {
      const direction = wanted !== sorted.name ? "descending" : "ascending";
      mrl.table.turn(sorted.header, direction);
      order = mrl.table.order(keys(sorted), direction);
    }
    input.value = mrl.address.get("where");
    if (input.value) filter(input.value);
    else update();
    if (hidden.size) hide();
    mrl.chosen.forget((id) => !data.ids.includes(id));
    picked();
    return null;
  };

  function columnsOf(data, runs) {
    const text = (digits, whole) => (value) => mrl.cell(value, digits, whole);
    // `parts` are what can be hidden: a param, "state:", a metric and a dot, a dot and a statistic.
    const own = { param: false, text: (value) => value };
    return [
      { ...own, name: "id", id: true, values: data.ids, parts: [] },
      ...data.params.map(([name, values]) => ({ name, param: true, values, best: null, text: text(6, 1e15), parts: [name] })),
      { ...own, name: "state", state: true, values: data.ids.map(runs.state), parts: ["state:"] },
      ...data.metrics.flatMap((metric) => metric.stats.map((values, at) => ({
        name: `${metric.name}.${STATS[at]}`, param: false, parts: [`${metric.name}.`, `.${STATS[at]}`], metric: metric.name, stat: STATS[at], values, best: metric.best[at], start: at === 0, text: text(5),
      }))),
    ];
  }
})();
