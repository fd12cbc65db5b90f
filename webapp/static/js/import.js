// Sends a file in pieces, so that it may be large, a lost connection costs one piece, and there is a bar. Without this the form posts the
// file whole.
const form = document.getElementById("upload");
const TRIES = 4;

form?.addEventListener("submit", async (event) => {
  const file = form.elements.file.files[0];
  const pieceBytes = Number(form.dataset.pieceBytes);
  if (!file || file.size <= pieceBytes) return;
  event.preventDefault();
  const bar = document.getElementById("upload-bar");
  const words = document.getElementById("upload-words");
  document.getElementById("upload-progress").hidden = false;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const begun = await post(form.dataset.begin, new URLSearchParams({ file_name: file.name, num_bytes: file.size }));
    let there = 0;
    while (there < file.size) {
      const piece = file.slice(there, there + pieceBytes);
      const answer = await post(`${begun.piece}?offset=${there}&kind=${form.elements.kind.value}`, piece);
      there = answer.num_bytes;
      bar.value = there / file.size;
      words.textContent = `Uploading: ${Math.floor((100 * there) / file.size)}%`;
      if (answer.page) window.location.assign(answer.page);
    }
  } catch (error) {
    words.textContent = `The upload stopped: ${error.message}`;
    button.disabled = false;
  }
});

async function post(url, body) {
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const headers = { "X-CSRFToken": token };
  if (body instanceof Blob) headers["Content-Type"] = "application/octet-stream";
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(url, { method: "POST", body, headers });
    } catch (error) {
      if (attempt === TRIES) throw error;
      await new Promise((resume) => setTimeout(resume, 500 * 2 ** attempt));
      continue;
    }
    const told = await answer.json().catch(() => ({ message: answer.statusText }));
    if (!answer.ok) throw new Error(told.message);
    return told;
  }
}
