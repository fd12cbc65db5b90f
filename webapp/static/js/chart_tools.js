// The switches above a page's charts: what lies along the bottom, smoothing, tables, and the whole again after a closer look.
export function chartTools(charts, onZoom) {
  const form = document.querySelector("[data-chart-tools]");
  if (!form) return { zoomed: () => {} };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  const out = form.querySelector("[data-zoom-out]");
  const smoothing = form.elements.smoothing;
  const told = form.querySelector("output");

  for (const radio of form.querySelectorAll('[name="across"]')) {
    radio.addEventListener("change", () => {
      onZoom(null);
      for (const chart of charts()) chart.set({ across: radio.value });
    });
  }
  smoothing.addEventListener("input", () => {
    const weight = Number(smoothing.value);
    told.textContent = weight ? weight.toFixed(2) : "none";
    for (const chart of charts()) if (!chart.isStacked) chart.set({ smoothing: weight });
  });
  form.elements.tables.addEventListener("change", (event) => charts().forEach((chart) => chart.set({ isTable: event.target.checked })));
  out.addEventListener("click", () => onZoom(null));
  return { zoomed: (isZoomed) => { out.disabled = !isZoomed; }, across: () => form.elements.across.value };
}

// Columns as the server sends them, as points.
export function pointsOf(columns) {
  const keys = Object.keys(columns);
  return (columns.at_s ?? []).map((_, place) => Object.fromEntries(keys.map((key) => [key, columns[key][place]])));
}
