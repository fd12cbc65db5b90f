// Offers the chosen CSV's own headers as suggestions for the column fields.
const file = document.querySelector('input[type="file"]');
const list = document.getElementById("headers");
file?.addEventListener("change", async () => {
  const chosen = file.files[0];
  list.replaceChildren();
  if (!chosen || !chosen.name.toLowerCase().endsWith(".csv")) return;
  const start = await chosen.slice(0, 65536).text();
  const headers = start.split(/\r?\n/, 1)[0].replace(/^\ufeff/, "").split(",");
  for (const header of headers) {
    const option = document.createElement("option");
    option.value = header.trim().replace(/^"|"$/g, "");
    list.append(option);
  }
});
