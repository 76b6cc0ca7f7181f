// The curves of one recording, with a cursor, the image nearest to it, and zoom. What is shown is
// in the address (#recording=3&at=1.2&from=1&to=2), so that it can be linked to.
(() => {
  const part = (id) => document.getElementById(id);
  const viewer = part("viewer"), curves = part("curves"), choice = part("choice");
  const sources = document.querySelectorAll("script.recording");
  if (!sources.length) return;
  const UNKNOWN = 65535, SHORTEST_S = 0.05, LONGEST_AT_FIRST_S = 60;
  const POINTS_DRAWN = 2000, ONSETS_LISTED = 24;
  let data, view, cursor, selection;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function decode(curve) {
    const value = (number) => (number === UNKNOWN ? NaN : curve.low + curve.step * number);
    return Float64Array.from(new Uint16Array(bytes(curve.data).buffer), value);
  }

  function load(index) {
    data = JSON.parse(sources[index].textContent);
    data.index = index;
    data.time = new Float32Array(bytes(data.time).buffer);
    for (const row of data.rows) {
      row.estimate = decode(row.estimate);
      row.truth = row.truth && decode(row.truth);
      row.range = row.range || range(row);
    }
    choice.value = index;
    const links = document.querySelectorAll(".sortable tbody a");
    for (const link of links) {
      const chosen = link.getAttribute("href") === `#recording=${index}`;
      link.closest("tr").classList.toggle("chosen", chosen);
    }
  }

  // The last point at or before a time.
  function before(time) {
    let low = 0, high = data.time.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.time[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function nearest(times, time) {
    let best = 0;
    times.forEach((other, i) => {
      if (Math.abs(other - time) < Math.abs(times[best] - time)) best = i;
    });
    return best;
  }

  const rounded = (value) => (Math.round(100 * value) / 100 + 0).toFixed(2);  // no "-0.00"
  const across = (time) => (time - view.from) / (view.to - view.from);

  function path(values, [low, high]) {
    const first = Math.max(before(view.from) - 1, 0);
    const last = Math.min(before(view.to) + 2, data.time.length);
    const stride = Math.ceil((last - first) / POINTS_DRAWN);
    let text = "", open = false;
    const add = (time, value) => {
      const y = (100 * (high - value)) / (high - low);
      text += `${open ? "L" : "M"}${(1000 * across(time)).toFixed(1)} ${y.toFixed(1)}`;
      open = true;
    };
    for (let i = first; i < last; i += stride) {
      let lowest = Infinity, highest = -Infinity;
      for (let k = i; k < Math.min(i + stride, last); k++) {
        if (values[k] < lowest) lowest = values[k];
        if (values[k] > highest) highest = values[k];
      }
      if (lowest > highest || (i && data.time[i] - data.time[i - 1] > data.gap)) open = false;
      if (lowest > highest) continue;
      add(data.time[i], lowest);
      if (highest > lowest) add(data.time[i], highest);
    }
    return text;
  }

  function range(row) {
    let low = Infinity, high = -Infinity;
    for (const values of [row.estimate, row.truth || []]) {
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    const margin = 0.06 * (high - low) || 0.5;
    return [low - margin, high + margin];
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

  function spans(list, kind, top, height) {
    return list.filter(([start, end]) => end > view.from && start < view.to).map(([start, end]) => {
      const left = 1000 * across(Math.max(start, view.from));
      const width = Math.max(1000 * across(Math.min(end, view.to)) - left, 1);
      return `<rect class="${kind}" x="${left}" width="${width}" y="${top}" height="${height}"/>`;
    }).join("");
  }

  function figure(row) {
    const [low, high] = row.range, height = (value) => (100 * (high - value)) / (high - low);
    const line = (kind, value) =>
      `<line class="${kind}" x1="0" x2="1000" y1="${height(value)}" y2="${height(value)}"/>`;
    const marks = ticks(low, high, 3);
    let shapes = spans(data.unknown, "nothing", 0, 100);
    if (row.threshold !== undefined) {
      shapes += spans(data.slipping, "band", 0, 100) + spans(data.said, "said", 0, 6);
      shapes += line("mark", row.threshold);
    }
    shapes += marks.map((value) => line("grid", value)).join("");
    if (row.truth) shapes += `<path class="truth" d="${path(row.truth, [low, high])}"/>`;
    shapes += `<path class="estimate" d="${path(row.estimate, [low, high])}"/>`;
    let labels = marks.map((value) =>
      `<span class="y" style="top:${height(value)}%">${value}</span>`).join("");
    if (row.last) {
      labels += ticks(view.from, view.to, curves.clientWidth < 500 ? 4 : 8).map((value) =>
        `<span class="x" style="left:${100 * across(value)}%">${value} s</span>`).join("");
    }
    return `<figure class="plot${row.last ? " last" : ""}"><figcaption><span>${row.title} ` +
      `<span class="unit">${row.unit}</span></span><output></output></figcaption>` +
      `<div class="area"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" ` +
      `aria-label="${row.title}">${shapes}</svg>${labels}</div></figure>`;
  }

  function draw() {
    curves.innerHTML = data.rows.map(figure).join("") +
      '<div id="selection" hidden></div><div id="cursor"></div>';
    const points = data.per_point > 1
      ? `; ${data.per_point.toFixed(1)} frames per point, the lowest and the highest kept` : "";
    part("extent").textContent = `${data.name}: ${view.from.toFixed(2)} to ${view.to.toFixed(2)} s ` +
      `of ${data.end.toFixed(2)} s${points}` +
      data.unlabelled.map((name) => `; no label of ${name}`).join("");
    listOnsets();
    point();
  }

  function place(element, from, to) {
    const style = getComputedStyle(curves);
    const inner = `(100% - ${style.getPropertyValue("--left")} - ${style.getPropertyValue("--right")})`;
    element.style.left = `calc(${style.getPropertyValue("--left")} + ${inner} * ${across(from)})`;
    if (to !== undefined) element.style.width = `calc(${inner} * ${across(to) - across(from)})`;
  }

  // Move the cursor: numbers, image, and what a screen reader says.
  function point() {
    const last = before(cursor), next = Math.min(last + 1, data.time.length - 1), told = [];
    const i = data.time[next] - cursor < cursor - data.time[last] ? next : last;
    place(part("cursor"), cursor);
    part("cursor").hidden = cursor < view.from || cursor > view.to;
    const text = (value) => (value === undefined || isNaN(value) ? "unknown" : rounded(value));
    curves.querySelectorAll("output").forEach((output, number) => {
      const row = data.rows[number];
      output.textContent = text(row.estimate[i]) + (row.truth ? `, truth ${text(row.truth[i])}` : "");
      told.push(`${row.title}: ${output.textContent} ${row.unit}`);
    });
    part("when").textContent = `${cursor.toFixed(2)} s`;
    curves.setAttribute("aria-valuemax", data.end);
    curves.setAttribute("aria-valuenow", cursor.toFixed(2));
    curves.setAttribute("aria-valuetext", `${cursor.toFixed(2)} seconds. ${told.join("; ")}`);
    part("look").hidden = !data.images.length;
    if (!data.images.length) return;
    const [time, source] = data.images[nearest(data.images.map((image) => image[0]), cursor)];
    const url = source[0] === "#" ? part(source.slice(1)).src : source;
    if (part("seen").src !== url) part("seen").src = url;
    part("taken").textContent = `nearest image: ${time.toFixed(2)} s`;
  }

  // The onsets in view; of many, those that were told last, or never.
  function listOnsets() {
    const words = ([time, delay]) =>
      `${time.toFixed(2)} s: ${delay === null ? "missed" : `${delay.toFixed(0)} ms`}`;
    const seen = data.onsets.filter(([time]) => time >= view.from && time <= view.to);
    const late = ([, delay]) => (delay === null ? Infinity : delay);
    const worst = [...seen].sort((a, b) => (late(a) < late(b)) - (late(a) > late(b)));
    const buttons = worst.slice(0, ONSETS_LISTED).sort((a, b) => a[0] - b[0]).map((onset) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words(onset);
      button.addEventListener("click", () => {
        cursor = onset[0];
        show(onset[0] - 0.5, onset[0] + 1);
      });
      return button;
    });
    const which = seen.length > buttons.length ? `, the latest of ${seen.length}` : "";
    const title = seen.length ? `Onsets of slip and their delays${which}:`
      : data.unlabelled.includes("slip") ? "" : "No slip begins here.";
    part("onsets").replaceChildren(title, ...buttons);
  }

  const inside = (time) => Math.min(Math.max(time, 0), data.end);

  // Show from - to, as wide as asked for as far as the recording goes.
  function aim(from, to) {
    const width = Math.min(Math.max(to - from, SHORTEST_S), data.end || SHORTEST_S);
    const start = Math.min(Math.max(from, 0), Math.max(data.end - width, 0));
    view = { from: start, to: start + width };
    draw();
  }

  function show(from, to) {
    aim(from, to);
    remember();
  }

  function zoom(how) {
    const width = view.to - view.from, middle = inside(cursor);
    const share = Math.min(Math.max(across(middle), 0), 1);
    if (how === "in") show(middle - share * width / 2, middle + (1 - share) * width / 2);
    if (how === "out") show(middle - share * width * 2, middle + (1 - share) * width * 2);
    if (how === "earlier") show(view.from - width / 2, view.to - width / 2);
    if (how === "later") show(view.from + width / 2, view.to + width / 2);
    if (how === "all") show(0, data.end);
  }

  // The address is written now and then only: browsers refuse it many times a second.
  let pending;
  function remember() {
    clearTimeout(pending);
    pending = setTimeout(() => {
      const rounded = [cursor, view.from, view.to].map((time) => Number(time.toFixed(4)));
      const [at, from, to] = rounded;
      history.replaceState(null, "", `#recording=${data.index}&at=${at}&from=${from}&to=${to}`);
    }, 300);
  }

  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const number = (name, otherwise) => {
      const value = Number(wanted.get(name) ?? NaN);
      return Number.isFinite(value) ? value : otherwise;
    };
    const index = Math.min(Math.max(Math.trunc(number("recording", 0)), 0), sources.length - 1);
    load(index);
    cursor = inside(number("at", data.worst ?? data.end / 2));
    const around = data.end > LONGEST_AT_FIRST_S ? LONGEST_AT_FIRST_S / 2 : data.end;
    aim(number("from", cursor - around), number("to", cursor + around));
    if (wanted.has("recording")) part("detail").scrollIntoView();
  }

  function timeAt(event) {
    const box = curves.querySelector(".area").getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return view.from + share * (view.to - view.from);
  }

  curves.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    selection = timeAt(event);
    curves.setPointerCapture(event.pointerId);
  });
  curves.addEventListener("pointermove", (event) => {
    cursor = timeAt(event);
    point();
    if (selection === undefined) return;
    const shade = part("selection");
    shade.hidden = false;
    place(shade, Math.min(selection, cursor), Math.max(selection, cursor));
  });
  curves.addEventListener("pointerup", (event) => {
    if (selection === undefined) return;
    const start = selection;
    selection = undefined;
    cursor = timeAt(event);
    const [from, to] = [Math.min(start, cursor), Math.max(start, cursor)];
    if (across(to) - across(from) > 0.02) show(from, to);
    else { draw(); remember(); }
  });
  curves.addEventListener("pointercancel", () => {
    selection = undefined;
    part("selection").hidden = true;
  });
  curves.addEventListener("dblclick", () => zoom("all"));
  curves.addEventListener("keydown", (event) => {
    const step = ((view.to - view.from) / 200) * (event.shiftKey ? 10 : 1);
    const moves = { ArrowLeft: -step, ArrowRight: step, Home: -Infinity, End: Infinity };
    const zooms = { "+": "in", "=": "in", "-": "out", 0: "all" };
    if (event.key in moves) {
      cursor = inside(cursor + moves[event.key]);
      point();
      remember();
    } else if (event.key in zooms) zoom(zooms[event.key]);
    else return;
    event.preventDefault();
  });
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.zoom) zoom(button.dataset.zoom);
    if (button?.dataset.choose) location.hash = `recording=${button.dataset.choose}`;
  });
  choice.addEventListener("change", () => { location.hash = `recording=${choice.value}`; });
  addEventListener("hashchange", follow);
  addEventListener("resize", () => draw());
  viewer.hidden = false;
  follow();
})();
