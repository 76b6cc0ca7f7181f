// Tables that are sorted by the column whose head is pressed: the worst first, then the best.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const text = row.cells[column].dataset.value;
    return text === undefined ? NaN : Number(text);
  };
  const sort = (head, order) => {
    const column = head.cellIndex, sign = order === "descending" ? -1 : 1;
    const rows = Array.from(body.rows, (row) => ({ row, value: value(row, column) }));
    rows.sort((a, b) => isNaN(a.value) - isNaN(b.value) || sign * (a.value - b.value) || 0);
    body.append(...rows.map((entry) => entry.row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
  };
  for (const button of table.tHead.querySelectorAll("button")) {
    const head = button.closest("th");
    button.addEventListener("click", () => {
      const other = { ascending: "descending", descending: "ascending" };
      sort(head, other[head.getAttribute("aria-sort")] || head.dataset.worst);
    });
  }
}
