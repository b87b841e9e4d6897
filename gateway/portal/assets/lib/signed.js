// Signed, short-lived links to private results, for programs that have no cookies.

function csrfToken() {
  const cookie = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  return cookie ? decodeURIComponent(cookie[1]) : (document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
}

const PRIVATE = /^\/(uws|jobs|space|tap\/async)\//;

/** Whether a URL of this service needs a signature to be read without cookies. */
export function isPrivate(url) {
  const { origin, pathname } = new URL(url, location.href);
  return origin === location.origin && PRIVATE.test(pathname);
}

/** An absolute URL that downloads without cookies: {url, expires} (expires is null for public data). */
export async function shareable(url) {
  const absolute = new URL(url, location.href);
  if (!isPrivate(url)) return { url: absolute.href, expires: null };
  const response = await fetch("/s/", {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
    body: new URLSearchParams({ path: absolute.pathname + absolute.search }),
  });
  if (!response.ok) {
    throw new Error(
      response.status === 403 ? "You have no right to share this result; reload the page." : `No link could be made (${response.status}).`,
    );
  }
  const answer = await response.json();
  return { url: new URL(answer.url, location.href).href, expires: answer.expires ? new Date(answer.expires) : null };
}
