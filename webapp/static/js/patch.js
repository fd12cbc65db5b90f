// Makes `old` say what `html` says and touches nothing else, so that focus, selection and what is open stay where they are.
function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "");
}

function attributes(old, fresh) {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
}

function children(old, fresh) {
  const kept = [...old.childNodes];
  const wanted = [...fresh.childNodes];
  wanted.forEach((next, place) => {
    const here = kept[place];
    if (!here) old.append(next);
    else if (!alike(here, next)) here.replaceWith(next);
    else if (next.nodeType !== Node.ELEMENT_NODE) {
      if (here.data !== next.data) here.data = next.data;
    } else {
      attributes(here, next);
      children(here, next);
    }
  });
  kept.slice(wanted.length).forEach((one) => one.remove());
}

export function patch(old, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  children(old, fresh.content);
}
