// Which sub-experiments are meant: those that the filter leaves, and those that were picked. The address tells both, and the
// settings of the views, so that a link shows what its sender saw.
"use strict";
(() => {
  const settings = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

  // Settings are text; what is empty stands for the usual, and is left out.
  mrl.address = {
    get: (key) => settings.get(key) ?? "",
    set(key, value) {
      if (value) settings.set(key, value);
      else settings.delete(key);
      const text = settings.toString();
      history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
    },
  };
  // Another address with settings: typed, a bookmark, or one step back. An anchor keeps them.
  addEventListener("hashchange", () => {
    if (location.hash.includes("=") && location.hash.slice(1) !== settings.toString()) location.reload();
  });

  const picks = new Set(mrl.address.get("pick").split(",").filter(Boolean));
  let left = null; // ids that the filter leaves, null for all
  let later = 0;

  mrl.chosen = {
    picks,
    canFilter: () => Boolean(document.querySelector('[data-view="results"]')), // which has the columns
    has: (id) => left === null || left.has(id),
    // Plots follow when typing pauses.
    keep(ids) {
      left = ids;
      clearTimeout(later);
      later = setTimeout(() => {
        mrl.redraw();
        document.dispatchEvent(new CustomEvent("mrl-chosen"));
      }, 120);
    },
    // Picks these, or if all of them are picked, none of them.
    toggle(...ids) {
      const all = ids.every((id) => picks.has(id));
      for (const id of ids) {
        if (all) picks.delete(id);
        else picks.add(id);
      }
      told();
    },
    unpick() {
      picks.clear();
      told();
    },
  };

  // Have the filter leave only runs of which this is true; what it said of the same column in one of these forms goes, and
  // the same said again is taken back.
  const NUMBER = "-?[\\d.]+(?:e-?\\d+)?";
  const VALUE = `(?:"(?:\\\\.|[^"\\\\])*"|${NUMBER}|True|False|None)`;
  const literal = (value) => (value === null ? "None" : typeof value === "string" ? JSON.stringify(value) : mrl.cell(value, 17, 1e21));
  function narrow(name, term) {
    const column = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const forms = [`${column} == ${VALUE}`, `${column} in \\[${VALUE}(?:, ${VALUE})*\\]`, `${NUMBER} <= ${column} <= ${NUMBER}`];
    const earlier = new RegExp(`(^| and )(?:${forms.join("|")})(?= and |$)`);
    const change = (said) => {
      const rest = said.trim().replace(earlier, "").replace(/^ and /, "");
      const again = said === term || said.startsWith(`${term} and `) || said.endsWith(` and ${term}`) || said.includes(` and ${term} and `);
      return again ? rest : rest ? `${rest} and ${term}` : term;
    };
    document.dispatchEvent(new CustomEvent("mrl-filter", { detail: change }));
  }
  mrl.narrow = {
    to(name, ...values) {
      const column = mrl.filter.quote(name);
      narrow(column, values.length === 1 ? `${column} == ${literal(values[0])}` : `${column} in [${values.map(literal).join(", ")}]`);
    },
    between(name, low, high) {
      const column = mrl.filter.quote(name);
      narrow(column, `${literal(low)} <= ${column} <= ${literal(high)}`);
    },
  };

  // What the report knows of all sub-experiments (data/runs.js): the state of one, and where its section is.
  let runs = null;
  mrl.runs = () => {
    if (runs) return runs;
    const known = mrl.known("runs") ?? { ids: [], names: [], states: [], pages: [], each: 1 }; // the file may be lost
    const rows = new Map(known.ids.map((id, row) => [id, row]));
    const here = decodeURIComponent(location.pathname.split("/").pop());
    runs = {
      state: (id) => known.names[known.states[rows.get(id)]] ?? "not run",
      css: (state) => `st-${state.toLowerCase().replace(/[^a-z]+/g, "-")}`,
      href(id) {
        if (!rows.has(id)) return "";
        const page = known.pages[Math.floor(rows.get(id) / known.each)];
        return `${page === here ? "" : page}#sub-${id}`;
      },
    };
    return runs;
  };

  function told() {
    mrl.address.set("pick", [...picks].join(","));
    document.dispatchEvent(new CustomEvent("mrl-pick"));
  }
})();
