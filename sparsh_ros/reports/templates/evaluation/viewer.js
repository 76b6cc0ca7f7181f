// The curves of one recording, with a cursor, the image nearest to it, and zoom. What is shown is
// in the address (#recording=3&at=1.2&from=1&to=2), so that it can be linked to.
(() => {
  const part = (id) => document.getElementById(id);
  const viewer = part("viewer"), curves = part("curves"), choice = part("choice");
  const sources = document.querySelectorAll("script.recording");
  if (!sources.length) return;
  const SHORTEST_S = 0.05, LONGEST_AT_FIRST_S = 60, ONSETS_LISTED = 24;
  let data, view, cursor, selection;

  const across = (time) => drawing.across(view, time);
  const inside = (time) => Math.min(Math.max(time, 0), data.end);
  const decimals = (value) => (Math.round(100 * value) / 100 + 0).toFixed(2);  // no "-0.00"

  function load(index) {
    data = drawing.decode(sources[index].textContent);
    data.index = index;
    choice.value = index;
    for (const link of document.querySelectorAll(".sortable tbody a")) {
      const chosen = link.getAttribute("href") === `#recording=${index}`;
      link.closest("tr").classList.toggle("chosen", chosen);
    }
  }

  function draw() {
    const labels = curves.clientWidth < 500 ? 4 : 8;
    curves.innerHTML = data.rows.map((row) => drawing.figure(row, data, view, labels)).join("") +
      '<div id="selection" hidden></div><div id="cursor"></div>';
    const facts = [`${data.name}: ${decimals(view.from)} to ${decimals(view.to)} s of ` +
      `${decimals(data.end)} s`, ...data.unlabelled.map((name) => `no label of ${name}`)];
    if (data.per_point > 1) {
      facts.push(`${data.per_point.toFixed(1)} frames per point, the lowest and the highest kept`);
    }
    part("extent").textContent = facts.join("; ");
    listOnsets();
    point();
  }

  function place(element, from, to) {
    const [left, right] = ["--left", "--right"].map((name) =>
      getComputedStyle(curves).getPropertyValue(name));
    const inner = `(100% - ${left} - ${right})`;
    element.style.left = `calc(${left} + ${inner} * ${across(from)})`;
    if (to !== undefined) element.style.width = `calc(${inner} * ${across(to) - across(from)})`;
  }

  // Move the cursor: numbers, image, and what a screen reader says.
  function point() {
    const last = drawing.before(data, cursor), next = Math.min(last + 1, data.time.length - 1);
    const i = data.time[next] - cursor < cursor - data.time[last] ? next : last, spoken = [];
    const text = (value) => (isNaN(value) ? "unknown" : decimals(value));
    curves.querySelectorAll("output").forEach((output, number) => {
      const row = data.rows[number];
      output.textContent = text(row.estimate[i]) + (row.truth ? `, truth ${text(row.truth[i])}` : "");
      spoken.push(`${row.title}: ${output.textContent} ${row.unit}`);
    });
    place(part("cursor"), cursor);
    part("cursor").hidden = cursor < view.from || cursor > view.to;
    part("when").textContent = `${decimals(cursor)} s`;
    curves.setAttribute("aria-valuemax", data.end);
    curves.setAttribute("aria-valuenow", decimals(cursor));
    curves.setAttribute("aria-valuetext", `${decimals(cursor)} seconds. ${spoken.join("; ")}`);
    showImage();
  }

  function showImage() {
    part("look").hidden = !data.images.length;
    if (!data.images.length) return;
    const away = ([time]) => Math.abs(time - cursor);
    const [time, source] = data.images.reduce((a, b) => (away(b) < away(a) ? b : a));
    const url = source[0] === "#" ? part(source.slice(1)).src : source;
    if (part("seen").src !== url) part("seen").src = url;
    part("taken").textContent = `nearest image: ${decimals(time)} s`;
  }

  // The onsets in view; of many, those that were detected last, or never.
  function listOnsets() {
    const seen = data.onsets.filter(([time]) => time >= view.from && time <= view.to);
    const late = ([, delay]) => (delay === null ? Infinity : delay);
    const worst = [...seen].sort((a, b) => (late(a) < late(b)) - (late(a) > late(b)));
    const listed = worst.slice(0, ONSETS_LISTED).sort((a, b) => a[0] - b[0]);
    const which = seen.length > listed.length ? `, the latest of ${seen.length}` : "";
    const nothing = data.unlabelled.includes("slip") ? "" : "No slip begins here.";
    const title = seen.length ? `Onsets of slip and their delays${which}:` : nothing;
    part("onsets").replaceChildren(title, ...listed.map(onsetButton));
  }

  function onsetButton([time, delay]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${decimals(time)} s: ${delay === null ? "missed" : `${delay.toFixed(0)} ms`}`;
    button.addEventListener("click", () => {
      cursor = time;
      show(time - 0.5, time + 1);
    });
    return button;
  }

  // Draw from - to, as wide as asked for as far as the recording goes.
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
    const around = (wide) => show(middle - share * wide, middle + (1 - share) * wide);
    if (how === "in") around(width / 2);
    if (how === "out") around(width * 2);
    if (how === "earlier") show(view.from - width / 2, view.to - width / 2);
    if (how === "later") show(view.from + width / 2, view.to + width / 2);
    if (how === "all") show(0, data.end);
  }

  // The address is written now and then only: browsers refuse it many times a second.
  let pending;
  function remember() {
    clearTimeout(pending);
    pending = setTimeout(() => {
      const [at, from, to] = [cursor, view.from, view.to].map((time) => Number(time.toFixed(4)));
      history.replaceState(null, "", `#recording=${data.index}&at=${at}&from=${from}&to=${to}`);
    }, 300);
  }

  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const number = (name, otherwise) => {
      const value = Number(wanted.get(name) ?? NaN);
      return Number.isFinite(value) ? value : otherwise;
    };
    load(Math.min(Math.max(Math.trunc(number("recording", 0)), 0), sources.length - 1));
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

  function drag(event) {
    cursor = timeAt(event);
    point();
    if (selection === undefined) return;
    part("selection").hidden = false;
    place(part("selection"), Math.min(selection, cursor), Math.max(selection, cursor));
  }

  function drop(event) {
    if (selection === undefined) return;
    cursor = timeAt(event);
    const [from, to] = [selection, cursor].sort((a, b) => a - b);
    selection = undefined;
    if (across(to) - across(from) > 0.02) show(from, to);
    else show(view.from, view.to);
  }

  function press(event) {
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
  }

  curves.addEventListener("pointerdown", (event) => {
    if (event.button || !data.rows.length) return;
    selection = timeAt(event);
    curves.setPointerCapture(event.pointerId);
  });
  curves.addEventListener("pointermove", (event) => data.rows.length && drag(event));
  curves.addEventListener("pointerup", drop);
  curves.addEventListener("pointercancel", () => {
    selection = undefined;
    part("selection").hidden = true;
  });
  curves.addEventListener("dblclick", () => zoom("all"));
  curves.addEventListener("keydown", press);
  viewer.addEventListener("click", ({ target }) => {
    const { zoom: how, choose } = target.closest("button")?.dataset ?? {};
    if (how) zoom(how);
    if (choose) location.hash = `recording=${choose}`;
  });
  choice.addEventListener("change", () => { location.hash = `recording=${choice.value}`; });
  addEventListener("hashchange", follow);
  addEventListener("resize", draw);
  viewer.hidden = false;
  follow();
})();
