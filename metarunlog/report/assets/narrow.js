// Clicks and drags that write into the filter.
"use strict";
(() => {
  // Have the filter leave only runs of which this is true; what it said of the same columns in one of these forms goes. The
  // same said again is taken back.
  const NUMBER = "-?[\\d.]+(?:e[-+]?\\d+)?";
  const VALUE = `(?:"(?:\\\\.|[^"\\\\])*"|${NUMBER}|True|False|None)`;
  const literal = (value) => (value === null ? "None" : typeof value === "boolean" ? mrl.cell(value)
    : typeof value === "string" ? JSON.stringify(value) : String(value));
  const terms = {
    to: (column, values) => (values.length === 1 ? `${column} == ${literal(values[0])}` : `${column} in [${values.map(literal).join(", ")}]`),
    between: (column, [low, high]) => `${literal(low)} <= ${column} <= ${literal(high)}`,
  };

  function earlier(column) {
    const name = column.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const forms = [`${name} == ${VALUE}`, `${name} in \\[${VALUE}(?:, ${VALUE})*\\]`, `${NUMBER} <= ${name} <= ${NUMBER}`];
    return new RegExp(`(^| and )(?:${forms.join("|")})(?= and |$)`);
  }

  // `wanted`: [name, "to" or "between", values] each.
  function narrow(wanted) {
    const parts = wanted.map(([name, how, values]) => [mrl.filter.quote(name), terms[how](mrl.filter.quote(name), values)]);
    const change = (said, names) => {
      const back = parts.every(([, term]) => ` and ${said} and `.includes(` and ${term} and `));
      let rest = said;
      for (const [column] of parts) rest = rest.replace(earlier(column), "").replace(/^ and /, "");
      if (back) return rest;
      return [...(rest.trim() ? [mrl.filter.closed(rest, names)] : []), ...parts.map(([, term]) => term)].join(" and ");
    };
    document.dispatchEvent(new CustomEvent("mrl-filter", { detail: change }));
  }
  mrl.narrow = {
    to: (name, ...values) => narrow([[name, "to", values]]),
    between: (name, low, high) => narrow([[name, "between", [low, high]]]),
    all: narrow,
  };
})();
