// Colours by value: separate ones for few values, a ramp for many numbers. Chosen to be told apart in light and dark.
"use strict";
(() => {
  const SEPARATE = {
    light: ["#2f6fd0", "#d9622b", "#2c8a4b", "#b23a8e", "#8a6d1f", "#0e8f9b", "#7a55c7", "#c23b3b", "#5c6470", "#6b8f12"],
    dark: ["#6ea8ff", "#ff9a66", "#5fce85", "#f07cc9", "#e0bf5a", "#4fd0dc", "#b197fc", "#ff8080", "#aab2bd", "#b5d64b"],
  };
  // Viridis without the end that vanishes on the page's background.
  const RAMP = {
    light: [[68, 1, 84], [62, 74, 137], [38, 130, 142], [53, 183, 121], [163, 190, 40]],
    dark: [[110, 90, 200], [62, 125, 190], [38, 160, 155], [80, 200, 120], [240, 229, 60]],
  };

  const mode = () => (!document.documentElement.classList.contains("printing")
    && matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  function ramp(share) {
    const stops = RAMP[mode()];
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return `rgb(${stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * (at - low))).join(",")})`;
  }

  // Distinct values in order: numbers by size, before text.
  function distinct(values) {
    const number = (v) => typeof v === "number";
    return [...new Set(values)].sort((a, b) => (number(a) && number(b) ? a - b : number(a) ? -1 : number(b) ? 1
      : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0));
  }

  // Values as short as they can be told apart.
  function texts(values, digits = 4) {
    const found = values.map((value) => mrl.number(value, digits));
    return new Set(found).size === new Set(values).size ? found : values.map((value) => mrl.cell(value, 15, 1e15));
  }

  const numeric = (values) => values.every((v) => typeof v === "number");

  // Positive numbers that spread over more than a factor of 50 are better told apart by their logarithm.
  const logarithmic = (values) => numeric(values) && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 50;

  // How to place a value on an axis: {share(value) in 0..1, ticks: [[share, text]], even: slots of equal width}.
  function axis(values) {
    const found = distinct(values.filter((v) => v !== null));
    if (values.some((v) => v === null)) found.push(null);
    if (found.length <= 12 || !numeric(found)) {
      const place = new Map(found.map((v, i) => [v, found.length === 1 ? 0.5 : i / (found.length - 1)]));
      const every = Math.ceil(found.length / 12);
      const names = texts(found);
      return { share: (v) => place.get(v), slot: (v) => found.indexOf(v), slots: found.length,
        ticks: found.map((v, i) => [place.get(v), names[i]]).filter((_, i) => i % every === 0) };
    }
    return continuous(found);
  }

  // Sorted numbers; `limits` are the ends of the axis where some lie far beyond.
  function continuous(found, limits = null) {
    const [first, last] = limits || [found[0], found[found.length - 1]];
    const log = logarithmic([first, last]);
    const scale = log ? Math.log : (v) => v;
    const low = scale(first);
    const high = scale(last);
    const share = (v) => (high > low ? (scale(Math.min(Math.max(v, first), last)) - low) / (high - low) : 0.5);
    const shares = [0, 0.25, 0.5, 0.75, 1];
    const names = texts(shares.map((s) => (log ? Math.exp(low + s * (high - low)) : low + s * (high - low))), 3);
    const ticks = shares.map((s, at) => [s, names[at]]);
    if (found[found.length - 1] > last) ticks[4][1] = `≥ ${ticks[4][1]}`;
    if (found[0] < first) ticks[0][1] = `≤ ${ticks[0][1]}`;
    return { share, ticks, slots: 0 };
  }

  // A colour for each value, and a legend for it; `pick(value)`, if given, is called for a click on one.
  function scale(values) {
    const found = distinct(values);
    const many = found.length > SEPARATE.light.length;
    if (!numeric(found) || (!many && found.length < 4)) {
      const colours = SEPARATE[mode()];
      const of = (v) => colours[found.indexOf(v) % colours.length];
      return { of, legend: (pick) => chips(found, of, many, pick) };
    }
    const at = found.length <= 8 ? (v) => found.indexOf(v) / (found.length - 1) : continuous(found).share;
    const of = (v) => ramp(at(v));
    return { of, legend: (pick) => (many ? gradient(found) : chips(found, of, false, pick)) };
  }

  function chips(found, of, many, pick) {
    const list = mrl.element("p", { class: "legend" });
    if (many) list.append(`${found.length} values, in colours that come again; point at a line to see its own`);
    const names = texts(found, 5);
    for (const [at, value] of many ? [] : found.entries()) {
      const dot = mrl.element("i");
      dot.style.background = of(value);
      const chip = mrl.element(pick ? "button" : "span", pick ? { type: "button", title: "only these" } : {}, dot, names[at]);
      if (pick) chip.addEventListener("click", () => pick(value));
      list.append(chip);
    }
    return list;
  }

  // The same colour for an area: rgb(...) or #rrggbb with a fifth of its strength.
  const faint = (colour) => (colour.startsWith("#") ? `${colour}33` : colour.replace("rgb(", "rgba(").replace(")", ",0.2)"));

  function gradient(found) {
    const bar = mrl.element("i", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(ramp).join(",")})`;
    const [first, last] = texts([found[0], found[found.length - 1]], 5);
    return mrl.element("p", { class: "legend" }, mrl.element("span", {}, first), bar, mrl.element("span", {}, last));
  }

  // Black or white, whichever is read better on it.
  function ink(colour) {
    const [red, green, blue] = colour.match(/\d+/g).map((part) => (Number(part) / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff";
  }

  mrl.colours = { scale, texts, faint, ink, ramp, axis, continuous, distinct, numeric, logarithmic };
})();
