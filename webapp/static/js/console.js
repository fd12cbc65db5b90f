// On a phone the navigation is a strip that scrolls sideways: bring the current page's entry into sight.
document.querySelector('.side [aria-current="page"]')?.scrollIntoView({ inline: "center", block: "nearest" });
