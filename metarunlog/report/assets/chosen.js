// Which sub-experiments are meant: those that the filter leaves, and those that were picked; and what the report knows of
// each.
"use strict";
(() => {
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
    // Picks of runs that are no more.
    forget(gone) {
      for (const id of [...picks].filter(gone)) picks.delete(id);
    },
    unpick() {
      picks.clear();
      told();
    },
  };

  // What the report knows of all sub-experiments (data/runs.js): the state of one, and where its section is.
  let runs = null;
  mrl.runs = () => {
    if (runs) return runs;
    const known = mrl.known("runs") ?? { ids: [], names: [], states: [], orphans: [], pages: [], each: 1 }; // the file may be lost
    const rows = new Map(known.ids.map((id, row) => [id, row]));
    const here = decodeURIComponent(location.pathname.split("/").pop());
    const orphans = new Set(known.orphans);
    runs = {
      orphan: (id) => orphans.has(id),
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
