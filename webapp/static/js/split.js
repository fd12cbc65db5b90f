// The shares of a new experiment as one bar, while they are typed. Without a script the form says the same when it is sent.
const SVG = "http://www.w3.org/2000/svg";
const fields = [...document.querySelectorAll("[data-shares] input")];
const bar = document.getElementById("split-bar");
const said = document.getElementById("split-said");

function nameOf(input) {
  const label = document.querySelector(`label[for="${input.id}"]`);
  return label ? label.textContent.replace(/,? *%$/, "").trim() : input.name;
}

function draw() {
  const shares = fields.map((input) => ({ name: nameOf(input), share: Number(input.value) || 0 })).filter((one) => one.share > 0);
  const total = shares.reduce((sum, one) => sum + one.share, 0);
  let x = 0;
  bar.replaceChildren(
    ...shares.map((one, number) => {
      const rect = document.createElementNS(SVG, "rect");
      const width = Math.min(one.share, Math.max(0, 100 - x));
      rect.setAttribute("class", `s${(number % 6) + 1}`);
      rect.setAttribute("x", `${x}%`);
      rect.setAttribute("width", `${width}%`);
      rect.setAttribute("height", "22");
      x += width;
      return rect;
    }),
  );
  const told = shares.map((one) => `${one.name} ${one.share}%`).join(", ");
  const rounded = Math.round(total * 100) / 100;
  const left = Math.round((100 - total) * 100) / 100;
  const rest = left > 0 ? ` ${left}% are left to give.` : left < 0 ? ` ${-left}% too many.` : " That is all of it.";
  said.textContent = shares.length ? `${told}: ${rounded}%.${rest}` : "Nothing is shared out yet.";
  said.classList.toggle("wrong", left < 0);
}

if (bar && fields.length) {
  for (const input of fields) input.addEventListener("input", draw);
  draw();
}
