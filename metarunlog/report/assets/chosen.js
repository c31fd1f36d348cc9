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
  // With settings in the address, a link to a place on the page keeps them; a section that is on another page is found there.
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !settings.toString()) return;
    const place = document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    mrl.address.set("at", place.id);
    place.scrollIntoView();
    if (!place.hasAttribute("tabindex")) place.setAttribute("tabindex", "-1");
    place.focus({ preventScroll: true }); // as the browser does it for an anchor
  });
  addEventListener("DOMContentLoaded", () => {
    const at = mrl.address.get("at");
    const wanted = at || (location.hash.includes("=") ? "" : decodeURIComponent(location.hash.slice(1)));
    const place = wanted && document.getElementById(wanted);
    if (place && at) requestAnimationFrame(() => place.scrollIntoView());
    const elsewhere = !place && wanted.startsWith("sub-") ? mrl.runs().href(wanted.slice(4)) : "";
    if (elsewhere && !elsewhere.startsWith("#")) location.replace(elsewhere);
  });

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
    // Picks of runs that are no more.
    forget(gone) {
      for (const id of [...picks].filter(gone)) picks.delete(id);
    },
    unpick() {
      picks.clear();
      told();
    },
  };

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
      return [...(rest ? [mrl.filter.closed(rest, names)] : []), ...parts.map(([, term]) => term)].join(" and ");
    };
    document.dispatchEvent(new CustomEvent("mrl-filter", { detail: change }));
  }
  mrl.narrow = {
    to: (name, ...values) => narrow([[name, "to", values]]),
    between: (name, low, high) => narrow([[name, "between", [low, high]]]),
    all: narrow,
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
