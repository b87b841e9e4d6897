/** Replace the element with this id by the one of the same id on the page at `url`. */
export async function swap(id, url) {
  const response = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!response.ok) throw new Error(`${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById(id);
  const old = document.getElementById(id);
  if (!fresh || !old) return location.reload();
  const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  document.title = page.title;
  if (focus) document.getElementById(focus)?.focus();
  fresh.dispatchEvent(new CustomEvent("vogate:content", { bubbles: true }));
  return fresh;
}
