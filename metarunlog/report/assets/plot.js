// What the plots drawn by uPlot share: looks, size, the tip under the pointer and a layer to mark one run.
"use strict";
mrl.plot = (() => {
  const FONT = "12px system-ui, sans-serif";

  // Ticks of a logarithmic axis: powers of ten, or between few of them also 2 and 5 times these.
  function logSplits(low, high) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const step = Math.ceil((last - first) / 8);
    const found = [];
    for (let power = first; power <= last; power += step) {
      for (const times of step === 1 && last - first <= 3 ? [1, 2, 5] : [1]) found.push(times * 10 ** power);
    }
    return found.filter((tick) => tick >= low && tick <= high);
  }
  const LOG = { splits: (u, axis, low, high) => logSplits(low, high), filter: (u, splits) => splits };
  const WHOLE = [...Array(16).keys()].flatMap((power) => [1, 2, 5].map((times) => times * 10 ** power));

  function logRange(u, low, high) {
    if (low === null || high === null) return [1, 10];
    const air = Math.max((high / low) ** 0.04, 1.02);
    return [low / air, high * air];
  }

  // `xlog`, `ylog`: logarithmic; `whole`: x counts, so that there are no ticks between two whole numbers.
  function axes({ xvalues, xsplits, xlabel, xlog, ylog, whole }) {
    const text = mrl.colour("muted");
    const lines = { stroke: mrl.colour("line"), width: 1 };
    const common = { stroke: text, font: FONT, labelFont: FONT, grid: lines, ticks: { ...lines, size: 4 } };
    const labels = (values) => values.map((value) => (value === null ? "" : mrl.number(value, 4)));
    return [
      { ...common, size: xlabel ? 28 : 32, gap: 4, label: xlabel, labelSize: 18, values: xvalues || ((u, values) => labels(values)),
        ...(xlog ? LOG : whole ? { incrs: WHOLE } : {}), ...(xsplits ? { splits: () => xsplits, grid: { show: false } } : {}) },
      { ...common, gap: 4, values: (u, values) => labels(values), ...(ylog ? LOG : {}),
        size: (u, values) => (values ? 18 + 7 * Math.max(3, ...values.map((value) => value.length)) : 48) },
    ];
  }

  // uPlot has no ticks for numbers of more than 17 digits, which runs that diverge reach: drawn by hand.
  function farTicks(u, log) {
    const { min, max } = u.scales.y;
    if (!(Math.max(Math.abs(min), Math.abs(max)) >= 1e16)) return;
    const context = u.ctx;
    const ratio = devicePixelRatio;
    context.save();
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.fillStyle = mrl.colour("muted");
    context.strokeStyle = mrl.colour("line");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of log ? logSplits(min, max) : [0, 0.25, 0.5, 0.75, 1].map((share) => min + share * (max - min))) {
      const y = u.valToPos(tick, "y", true);
      context.fillText(mrl.number(tick, 2), u.bbox.left - 8 * ratio, y);
      context.beginPath();
      context.moveTo(u.bbox.left, y);
      context.lineTo(u.bbox.left + u.bbox.width, y);
      context.stroke();
    }
    context.restore();
  }

  // A linear range with a little air; `limits` cuts off what would flatten all the rest.
  function linearRange(limits) {
    return (u, low, high) => {
      if (low === null || high === null) return [0, 1];
      const bottom = limits ? Math.max(low, limits[0]) : low;
      const top = limits ? Math.min(high, limits[1]) : high;
      const air = (top - bottom) * 0.05 || Math.abs(top) * 0.1 || 1;
      return [bottom - air, top + air];
    };
  }

  // The range without outliers, or null where there are none worth the cut: far beyond the bulk of the values.
  function outlierLimits(values) {
    if (values.length < 20) return null;
    const sorted = Float64Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const [low, high] = [at(0.03), at(0.97)];
    const span = high - low;
    const limits = [Math.max(sorted[0], low - 0.5 * span), Math.min(sorted[sorted.length - 1], high + 0.5 * span)];
    return span > 0 && (sorted[sorted.length - 1] > high + 2 * span || sorted[0] < low - 2 * span) ? limits : null;
  }

  // The same for lines, of which up to a quarter may lie far beyond the others all along.
  function lineLimits(lines) {
    if (lines.length < 5) return null;
    const ends = lines.map((ys) => {
      let [low, high] = [Infinity, -Infinity];
      for (const y of ys) {
        if (y === null || y === undefined) continue;
        if (y < low) low = y;
        if (y > high) high = y;
      }
      return [low, high];
    }).filter(([low]) => low < Infinity);
    const sorted = (at) => Float64Array.from(ends, (end) => end[at]).sort();
    const [lows, highs] = [sorted(0), sorted(1)];
    const low = lows[Math.round(0.25 * (lows.length - 1))];
    const high = highs[Math.round(0.75 * (highs.length - 1))];
    const reach = 2 * (high - low);
    const far = highs[highs.length - 1] > high + 2 * reach || lows[0] < low - 2 * reach;
    return far && reach > 0 ? [lows.find((y) => y >= low - reach), highs.findLast((y) => y <= high + reach)] : null;
  }

  // Bands may take half as much again as their lines.
  function bandLimits(values, lines) {
    let [low, high] = [Infinity, -Infinity];
    for (const y of values) {
      if (y < low) low = y;
      if (y > high) high = y;
    }
    const more = 0.5 * (high - low);
    return more > 0 && lines.some((line) => line.band) ? [low - more, high + more] : null;
  }

  // The same for one value a run: far from the middle half of the runs, as a run that diverged is.
  function farLimits(values) {
    if (values.length < 5) return null;
    const sorted = Float64Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const reach = 4 * Math.max(at(0.75) - at(0.25), 0.02 * Math.abs(at(0.5)));
    const near = sorted.filter((value) => value >= at(0.25) - reach && value <= at(0.75) + reach);
    return near.length < sorted.length ? [near[0], near[near.length - 1]] : null;
  }

  // A uPlot in `box`, as wide as that is. `nearest(u, left, top)` gives {id, lines} or null, `mark(u, context, id)` draws one
  // run on top, and tells whether it is there.
  function make(box, { options, data, nearest, mark, height = 240 }) {
    const u = new uPlot({
      width: Math.max(box.clientWidth, 120), height, padding: [10, 10, 0, 0], legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: false }, y: false }, ...options,
    }, data, box);
    const layer = mrl.element("canvas", { class: "layer" });
    const tip = mrl.element("div", { class: "tip", hidden: "" });
    u.over.append(layer, tip);
    let hovered = null;
    const draw = () => {
      const ratio = devicePixelRatio;
      layer.width = u.over.clientWidth * ratio;
      layer.height = u.over.clientHeight * ratio;
      layer.style.width = `${u.over.clientWidth}px`;
      layer.style.height = `${u.over.clientHeight}px`;
      const context = layer.getContext("2d");
      context.scale(ratio, ratio);
      const picked = [...mrl.chosen.picks].filter((id) => mark(u, context, id));
      if (picked.length) { // once more, on a veil over the others
        context.globalAlpha = 0.7;
        context.fillStyle = mrl.colour("panel");
        context.fillRect(0, 0, u.over.clientWidth, u.over.clientHeight);
        context.globalAlpha = 1;
        picked.forEach((id) => mark(u, context, id));
      }
      if (hovered !== null) mark(u, context, hovered);
    };
    const onHover = (event) => { hovered = event.detail; draw(); };
    document.addEventListener("mrl-hover", onHover);
    document.addEventListener("mrl-pick", draw);
    u.hooks.draw = [...(u.hooks.draw || []), draw];
    u.hooks.drawAxes = [() => farTicks(u, u.scales.y.distr === 3)];
    u.over.addEventListener("pointermove", (event) => {
      const place = u.over.getBoundingClientRect();
      const [left, top] = [event.clientX - place.left, event.clientY - place.top];
      const found = nearest(u, left, top);
      tip.hidden = !found;
      mrl.hover(found && !found.ids ? found.id : null);
      u.over.style.cursor = found ? "pointer" : "";
      if (!found) return;
      tip.replaceChildren(...found.lines.map((line) => mrl.element("div", {}, line)));
      const right = left > place.width / 2;
      tip.style.left = right ? "auto" : `${left + 14}px`;
      tip.style.right = right ? `${place.width - left + 14}px` : "auto";
      tip.style.top = `${Math.min(top, place.height - 20)}px`;
    });
    u.over.addEventListener("pointerleave", () => { tip.hidden = true; mrl.hover(null); });
    // A click that is no drag (which zooms) picks what is nearest; on a mean, all its runs.
    let down = null;
    u.over.addEventListener("pointerdown", (event) => { down = event; });
    u.over.addEventListener("click", (event) => {
      if (!down || Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > 4) return;
      const place = u.over.getBoundingClientRect();
      const found = nearest(u, event.clientX - place.left, event.clientY - place.top);
      if (found) mrl.chosen.toggle(...(found.ids ?? [found.id]));
    });
    const resize = new ResizeObserver(() => {
      if (box.clientWidth && Math.abs(box.clientWidth - u.width) > 1) u.setSize({ width: box.clientWidth, height });
    });
    resize.observe(box);
    return () => {
      resize.disconnect();
      document.removeEventListener("mrl-hover", onHover);
      document.removeEventListener("mrl-pick", draw);
      u.destroy();
    };
  }

  // The params of one run as lines for the tip; all values in the order of `ids`.
  function params(data, row) {
    return data.params.map(([name, values]) => `${name} ${mrl.number(values[row])}`);
  }

  // What the runs of a mean have in common.
  function shared(data, rows) {
    const alike = data.params.filter(([, values]) => rows.every((row) => values[row] === values[rows[0]]));
    return alike.map(([name, values]) => `${name} ${mrl.number(values[rows[0]])}`);
  }

  return { axes, logSplits, logRange, linearRange, outlierLimits, lineLimits, bandLimits, farLimits, make, params, shared };
})();
