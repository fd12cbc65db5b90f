// On a phone the navigation and the tabs are strips that scroll sideways: bring the current entries into sight.
for (const current of document.querySelectorAll('.side [aria-current="page"], .tabs [aria-current="page"]')) {
  current.scrollIntoView({ inline: "center", block: "nearest" });
}
