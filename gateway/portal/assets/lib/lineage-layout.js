// Places the boxes of a lineage: causes at the left, effects at the right, few crossings.
export const BOX = { width: 190, height: 44, column: 270, row: 58, margin: 36 };

/** Column of each node: one more than its farthest cause; what has no cause stands beside its first effect. */
export function layersOf(ids, edges) {
  const causes = new Map(ids.map((id) => [id, []]));
  const effects = new Map(ids.map((id) => [id, []]));
  for (const { source, target } of edges) {
    causes.get(source).push(target);
    effects.get(target).push(source);
  }
  const layer = new Map();
  const open = new Set();
  for (const start of ids) {
    const stack = [[start, 0]]; // no recursion: lineages can be longer than the stack
    while (stack.length) {
      const [id, from] = stack.pop();
      if (layer.has(id)) continue;
      open.add(id);
      const below = causes.get(id);
      let index = from;
      while (index < below.length && (layer.has(below[index]) || open.has(below[index]))) index += 1;
      if (index < below.length) {
        stack.push([id, index + 1], [below[index], 0]);
        continue;
      }
      layer.set(id, Math.max(0, ...below.filter((cause) => layer.has(cause)).map((cause) => layer.get(cause) + 1)));
      open.delete(id);
    }
  }
  for (const id of ids) {
    if (causes.get(id).length || !effects.get(id).length) continue;
    layer.set(id, Math.max(0, Math.min(...effects.get(id).map((effect) => layer.get(effect))) - 1));
  }
  return layer;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Positions of the boxes' upper left corners, and the size of the whole: {at: Map(id -> {x, y, layer}), width, height}. */
export function layout(ids, edges) {
  const layer = layersOf(ids, edges);
  const near = new Map(ids.map((id) => [id, []]));
  for (const { source, target } of edges) {
    near.get(source).push(target);
    near.get(target).push(source);
  }
  const columns = [];
  for (const id of ids) (columns[layer.get(id)] ??= []).push(id);
  for (let index = 0; index < columns.length; index += 1) columns[index] ??= [];
  const y = new Map();
  for (const column of columns) column.forEach((id, index) => y.set(id, (index - column.length / 2) * BOX.row));
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const order = sweep % 2 ? [...columns].reverse() : columns;
    for (const column of order) {
      const wish = new Map(column.map((id) => [id, near.get(id).length ? mean(near.get(id).map((o) => y.get(o))) : y.get(id)]));
      column.sort((a, b) => wish.get(a) - wish.get(b) || y.get(a) - y.get(b));
      spread(column, wish, y);
    }
  }
  const top = Math.min(0, ...y.values());
  const at = new Map(
    ids.map((id) => [id, { x: BOX.margin + layer.get(id) * BOX.column, y: BOX.margin + y.get(id) - top, layer: layer.get(id) }]),
  );
  const height = Math.max(0, ...[...at.values()].map((place) => place.y)) + BOX.height + BOX.margin;
  return { at, width: 2 * BOX.margin + Math.max(0, columns.length - 1) * BOX.column + BOX.width, height };
}

/** As near to their wishes as the order and the distance between rows allow (blocks that collide share their mean). */
function spread(column, wish, y) {
  const blocks = [];
  for (const id of column) {
    let block = { ids: [id], sum: wish.get(id) };
    while (blocks.length) {
      const last = blocks.at(-1);
      const end = last.sum / last.ids.length + ((last.ids.length - 1) / 2) * BOX.row;
      if (end + BOX.row <= block.sum / block.ids.length - ((block.ids.length - 1) / 2) * BOX.row) break;
      blocks.pop();
      block = { ids: [...last.ids, ...block.ids], sum: last.sum + block.sum };
    }
    blocks.push(block);
  }
  for (const { ids, sum } of blocks) {
    ids.forEach((id, index) => y.set(id, sum / ids.length + (index - (ids.length - 1) / 2) * BOX.row));
  }
}
