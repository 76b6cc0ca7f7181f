// One plot of the curves of a recording, as HTML. `data` is what curves.py wrote, decoded; `view`
// is the span of time that is shown.
const drawing = (() => {
  const UNKNOWN = 65535, POINTS_DRAWN = 2000;
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function values(curve) {
    const value = (number) => (number === UNKNOWN ? NaN : curve.low + curve.step * number);
    return Float64Array.from(new Uint16Array(bytes(curve.data).buffer), value);
  }

  function range(row) {
    let low = Infinity, high = -Infinity;
    for (const column of [row.estimate, row.truth || []]) {
      for (const value of column) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    const margin = 0.06 * (high - low) || 0.5;
    return [low - margin, high + margin];
  }

  function decode(text) {
    const data = JSON.parse(text);
    data.time = new Float32Array(bytes(data.time).buffer);
    for (const row of data.rows) {
      row.estimate = values(row.estimate);
      row.truth = row.truth && values(row.truth);
      row.range = row.range || range(row);
    }
    return data;
  }

  // The last point at or before a time.
  function before(data, time) {
    let low = 0, high = data.time.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.time[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  const across = (view, time) => (time - view.from) / (view.to - view.from);

  // A curve, broken where nothing is known; of many points the lowest and highest of each few.
  function path(column, [low, high], data, view) {
    const first = Math.max(before(data, view.from) - 1, 0);
    const last = Math.min(before(data, view.to) + 2, data.time.length);
    const stride = Math.ceil((last - first) / POINTS_DRAWN);
    let text = "", open = false;
    const add = (time, value) => {
      const x = 1000 * across(view, time), y = (100 * (high - value)) / (high - low);
      text += `${open ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      open = true;
    };
    for (let i = first; i < last; i += stride) {
      let lowest = Infinity, highest = -Infinity;
      for (let k = i; k < Math.min(i + stride, last); k++) {
        if (column[k] < lowest) lowest = column[k];
        if (column[k] > highest) highest = column[k];
      }
      if (lowest > highest || (i && data.time[i] - data.time[i - 1] > data.gap)) open = false;
      if (lowest > highest) continue;
      add(data.time[i], lowest);
      if (highest > lowest) add(data.time[i], highest);
    }
    return text;
  }

  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= 0.999 * rough);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
      found.push(Number((k * step).toPrecision(6)));
    }
    return found;
  }

  function spans(list, kind, height, view) {
    const seen = list.filter(([start, end]) => end > view.from && start < view.to);
    return seen.map(([start, end]) => {
      const left = 1000 * across(view, Math.max(start, view.from));
      const width = Math.max(1000 * across(view, Math.min(end, view.to)) - left, 1);
      return `<rect class="${kind}" x="${left}" width="${width}" y="0" height="${height}"/>`;
    }).join("");
  }

  function shapes(row, marks, height, data, view) {
    const line = (kind, value) =>
      `<line class="${kind}" x1="0" x2="1000" y1="${height(value)}" y2="${height(value)}"/>`;
    let found = spans(data.unknown, "nothing", 100, view);
    if (row.threshold !== undefined) {
      found += spans(data.slipping, "band", 100, view) + spans(data.said, "said", 6, view);
      found += line("mark", row.threshold);
    }
    found += marks.map((value) => line("grid", value)).join("");
    for (const kind of row.truth ? ["truth", "estimate"] : ["estimate"]) {
      found += `<path class="${kind}" d="${path(row[kind], row.range, data, view)}"/>`;
    }
    return found;
  }

  function figure(row, data, view, labels) {
    const [low, high] = row.range, height = (value) => (100 * (high - value)) / (high - low);
    const marks = ticks(low, high, 3);
    let words = marks.map((value) =>
      `<span class="y" style="top:${height(value)}%">${value}</span>`).join("");
    if (row.last) {
      words += ticks(view.from, view.to, labels).map((value) =>
        `<span class="x" style="left:${100 * across(view, value)}%">${value} s</span>`).join("");
    }
    return `<figure class="plot${row.last ? " last" : ""}"><figcaption><span>${row.title} ` +
      `<span class="unit">${row.unit}</span></span><output></output></figcaption>` +
      `<div class="area"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" ` +
      `aria-label="${row.title}">${shapes(row, marks, height, data, view)}</svg>${words}</div>` +
      "</figure>";
  }

  return { decode, before, across, figure };
})();
