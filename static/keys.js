// The keys of a page: an element that names one in aria-keyshortcuts is pressed by it. Every page works without this file.
(() => {
  "use strict";
  const OFF = "kept_keys_off";
  const TYPED = "input:not([type=checkbox], [type=radio], [type=submit], [type=button], [type=hidden]), select, textarea, [contenteditable]";
  let leaving = false;
  let sent = false;

  // One letter is easily pressed by mistake, or by a voice that types: who wants none turns them off, and it is remembered.
  const isOff = () => localStorage.getItem(OFF) === "yes";

  const open = (at) => {
    for (let around = at.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  };

  const press = (one) => {
    if (one.matches("summary")) {
      one.parentElement.open = !one.parentElement.open;
      const first = one.parentElement.open && one.parentElement.querySelector(TYPED);
      (first || one).focus();
      return;
    }
    open(one);
    one.focus();
    if (one.matches(TYPED)) return;
    leaving = one.matches("a, [type=submit]");
    one.click();
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(TYPED)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (leaving || isOff()) return;
    const named = (one) => one.getAttribute("aria-keyshortcuts").split(" ").includes(event.key);
    const found = [...document.querySelectorAll("[aria-keyshortcuts]")].find(named);
    if (!found || found.disabled) return;
    event.preventDefault();
    press(found);
  });

  // A page that comes back from the browser's own memory was left by a key, and takes keys again.
  addEventListener("pageshow", () => { leaving = sent = false; });
  // A form that the browser itself holds back (a field that is empty) leaves nothing; one that is on its way goes once.
  document.addEventListener("invalid", () => { leaving = false; }, true);
  document.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });

  // A button that says how many of something it takes goes on saying so while they are ticked.
  for (const words of document.querySelectorAll("[data-counts]")) {
    const form = words.closest("form");
    const say = () => {
      const ticked = [...form.elements].filter((one) => one.name === words.dataset.counts && one.checked);
      const { none, one, many } = words.dataset;
      words.textContent = !ticked.length ? none : ticked.length === 1 ? one.replace("#", ticked[0].dataset.says) : many.replace("#", ticked.length);
    };
    for (const one of form.elements) one.addEventListener("change", say);
  }

  for (const box of document.querySelectorAll("[data-keys-on]")) {
    box.checked = !isOff();
    box.closest("[hidden]").hidden = false;
    box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "yes")));
  }
})();
