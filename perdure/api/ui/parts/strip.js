// A table of numbers whose cells are coloured. One cell at a time can be reached by Tab, the others by the arrow keys.
export default {
  template: `
    <div class="strip">
      <div class="scroll" ref="scroll">
        <table :aria-label="label">
          <thead><tr><td></td>
            <th v-for="each in moments" :key="each.id" scope="col" :class="{ chosen: each.id === chosen }">
              <button type="button" class="plain" :aria-label="each.said" @click="$emit('choose', each.id)">{{ each.name }}</button></th>
          </tr></thead>
          <tbody @keydown="move">
            <tr v-for="(row, y) in cells" :key="rows[y]">
              <th scope="row">{{ rows[y] }}</th>
              <td v-for="(value, x) in row" :key="moments[x].id" :ref="(cell) => keep(cell, y, x)" :style="shade(y, value)"
                :tabindex="y === at[0] && x === at[1] ? 0 : -1" :class="{ chosen: moments[x].id === chosen, none: value == null }"
                :aria-label="said(y, x)" @mouseenter="told = said(y, x)" @mouseleave="told = ''" @focus="reach(y, x)"
                @blur="told = ''" @click="$emit('choose', moments[x].id)">{{ number(value) }}</td>
            </tr>
          </tbody>
        </table>
      </div>
      <div class="under">
        <span class="ramp"><span>{{ each ? "least of its layer" : number(least) }}</span><i></i><span>{{ each ? "most of its layer" : number(most) }}</span></span>
        <span class="dim" aria-live="polite">{{ told || "Point at a cell, or use the arrow keys; Enter opens its commit." }}</span>
      </div>
    </div>`,
  props: { cells: Array, rows: Array, moments: Array, label: String, each: Boolean, chosen: String },
  data() {
    return { at: [0, Math.max(0, this.moments.length - 1)], told: "" };
  },
  computed: {
    bounds() {
      return this.cells.map((row) => this.bound(row));
    },
    least() {
      return Math.min(...this.bounds.map((each) => each[0]));
    },
    most() {
      return Math.max(...this.bounds.map((each) => each[1]));
    },
  },
  beforeCreate() {
    this.drawn = {};
  },
  mounted() {
    this.$refs.scroll.scrollLeft = this.$refs.scroll.scrollWidth;
  },
  methods: {
    keep(cell, y, x) {
      this.drawn[y + " " + x] = cell;
    },
    bound(row) {
      const values = row.filter((value) => value != null);
      return [Math.min(...values), Math.max(...values)];
    },
    shade(y, value) {
      if (value == null) return {};
      const [least, most] = this.each ? this.bounds[y] : [this.least, this.most];
      const share = most > least ? (value - least) / (most - least) : 0.5;
      return { "--share": (8 + 92 * share).toFixed(0) + "%", color: share > 0.55 ? "var(--on-heat)" : "var(--text)" };
    },
    number(value) {
      if (value == null) return "";
      return Math.abs(value) >= 1000 ? value.toExponential(1) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
    },
    said(y, x) {
      const value = this.cells[y][x];
      return this.rows[y] + ", " + this.moments[x].said + ": " + (value == null ? "not in this snapshot" : "norm " + value.toPrecision(6));
    },
    reach(y, x) {
      this.at = [y, x];
      this.told = this.said(y, x);
    },
    move(event) {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (event.key === "Enter") this.$emit("choose", this.moments[this.at[1]].id);
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      this.drawn[this.at[0] + step[0] + " " + (this.at[1] + step[1])]?.focus();
    },
  },
};
