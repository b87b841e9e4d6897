// CodeMirror over a textarea: the textarea stays the form field and follows every change.
import { sql, SQLDialect } from "@codemirror/lang-sql";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { placeholder } from "@codemirror/view";
import { basicSetup, EditorView } from "codemirror";

const KEYWORDS =
  "select distinct all top offset from as where and or not in is null like ilike between exists join inner left right full outer " +
  "natural on using group by having order asc desc union intersect except with cast";
const FUNCTIONS =
  "point circle polygon box region contains intersects distance area centroid coord1 coord2 coordsys " +
  "abs ceiling degrees exp floor log log10 mod pi power radians rand round sqrt truncate acos asin atan atan2 cos cot sin tan " +
  "count sum avg min max lower upper coalesce in_unit ivo_hasword ivo_nocasematch ivo_interval_overlaps ivo_healpix_index ivo_to_mjd ivo_to_jd";

const adql = SQLDialect.define({
  keywords: KEYWORDS,
  builtin: FUNCTIONS,
  types: "integer smallint bigint real double precision char varchar timestamp",
  doubleQuotedStrings: false,
});

const theme = EditorView.theme({
  "&": { fontSize: "0.85rem", backgroundColor: "#fff" },
  ".cm-scroller": { fontFamily: "var(--bs-font-monospace)", maxHeight: "60vh" },
  ".cm-content, .cm-gutter": { minHeight: "13rem" },
  "&.cm-focused": { outline: "3px solid #e08a4f", outlineOffset: "1px" },
  ".cm-gutters": { backgroundColor: "var(--vg-paper)", color: "var(--vg-soft)", borderRight: "1px solid var(--vg-line)" },
  ".cm-placeholder": { color: "var(--vg-soft)" },
  ".cm-diagnostic-error": { borderLeftColor: "#b02a1c" },
});

/** Position in the document of a line and column counted from 1. */
function offset(doc, line, column) {
  const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return Math.min(found.from + Math.max(column - 1, 0), found.to);
}

function mark(view, { line, column, message }) {
  if (!line) return;
  const from = offset(view.state.doc, line, column);
  const word = /^\w+/.exec(view.state.doc.sliceString(from, from + 80));
  const to = Math.min(from + (word ? word[0].length : 1), view.state.doc.length);
  view.dispatch(setDiagnostics(view.state, [{ from: Math.min(from, to), to, severity: "error", message }]));
}

/**
 * Put an editor into `place` for `textarea`.  Returns {set(text), text()}; `onedit` is called when the user,
 * not the page, has changed the text.
 */
export function openEditor(place, textarea, { schema = {}, labelledby = "", onedit = () => {} } = {}) {
  let fromPage = false;
  const view = new EditorView({
    doc: textarea.value,
    parent: place,
    extensions: [
      basicSetup,
      lintGutter(),
      sql({ dialect: adql, schema, upperCaseKeywords: true }),
      theme,
      placeholder(textarea.placeholder),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-labelledby": labelledby, "aria-describedby": "adql-error" }),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        textarea.value = update.state.doc.toString();
        if (!fromPage) onedit(textarea.value);
      }),
    ],
  });
  textarea.hidden = true;
  const { line, column, message } = textarea.dataset;
  mark(view, { line: Number(line), column: Number(column), message });
  return {
    view,
    text: () => view.state.doc.toString(),
    set(text) {
      if (text === view.state.doc.toString()) return;
      fromPage = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      fromPage = false;
    },
  };
}
