// Heat map: two params against the chosen metric; a cell is the median of its runs.
"use strict";
(() => {
  const MOST = 24; // columns or rows; more numbers than that go into ranges

  // The slots of a param: [{text, values}], in order. Ranges hold about as many values each.
  function slots(values, rows) {
    const found = mrl.colours.distinct(rows.map((row) => values[row]));
    if (found.length <= MOST || !mrl.colours.numeric(found)) {
      const texts = mrl.colours.texts(found);
      return found.map((value, at) => ({ text: texts[at], values: [value] }));
    }
    const each = found.length / 12;
    return [...Array(12).keys()].map((at) => {
      const part = found.slice(Math.round(at * each), Math.round((at + 1) * each));
      return { text: `${mrl.number(part[0], 3)} … ${mrl.number(part[part.length - 1], 3)}`, values: part };
    });
  }

  // A table; `x` and `y` are numbers of params. A click on a cell or a head has the filter leave its runs only.
  mrl.heatmap = (data, metric, x, y) => {
    const rows = data.ids.map((_, row) => row).filter((row) => metric.values[row] !== null && mrl.chosen.has(data.ids[row]));
    const [xs, ys] = [slots(data.params[x][1], rows), slots(data.params[y][1], rows).reverse()];
    const place = (all) => new Map(all.flatMap((slot, at) => slot.values.map((value) => [value, at])));
    const [atX, atY] = [place(xs), place(ys)];
    const cells = ys.map(() => xs.map(() => []));
    for (const row of rows) cells[atY.get(data.params[y][1][row])][atX.get(data.params[x][1][row])].push(metric.values[row]);
    const medians = cells.map((line) => line.map((values) => (values.length ? mrl.groups.quartiles(values.sort((a, b) => a - b))[0] : null)));
    const known = medians.flat().filter((value) => value !== null);
    const scale = known.length ? mrl.colours.continuous(mrl.colours.distinct(known), mrl.plot.farLimits(known)) : null;
    const narrow = (...parts) => mrl.narrow.all(parts.map(([param, slot]) => (slot.values.length > 1
      ? [data.params[param][0], "between", [slot.values[0], slot.values[slot.values.length - 1]]]
      : [data.params[param][0], "to", slot.values])));
    const head = (slot, param, scope) => {
      const button = mrl.element("button", { type: "button", class: "sort plain", title: slot.text }, slot.text);
      button.addEventListener("click", () => narrow([param, slot]));
      return mrl.element("th", { scope }, button);
    };
    const names = `${data.params[y][0]} \\ ${data.params[x][0]}`;
    const top = mrl.element("tr", {}, mrl.element("th", { scope: "col" }, names), ...xs.map((slot) => head(slot, x, "col")));
    const body = ys.map((slot, r) => mrl.element("tr", {}, head(slot, y, "row"), ...xs.map((other, c) => {
      const value = medians[r][c];
      if (value === null) return mrl.element("td");
      const colour = mrl.colours.ramp(metric.goal === "low" ? 1 - scale.share(value) : scale.share(value));
      const count = cells[r][c].length;
      const cell = mrl.element("td", { title: `${count} run${count === 1 ? "" : "s"}` }, mrl.number(value, 3));
      cell.style.background = colour;
      cell.style.color = mrl.colours.ink(colour);
      cell.addEventListener("click", () => narrow([x, other], [y, slot]));
      return cell;
    })));
    const table = mrl.element("table", { class: "heat" }, mrl.element("thead", {}, top), mrl.element("tbody", {}, ...body));
    return mrl.element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Heat map of ${mrl.metricName(metric)}` }, table);
  };
})();
