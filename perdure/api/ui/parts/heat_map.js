// A grid of numbers as colours on a canvas. The cell under the pointer, or the one that the arrow keys lead to, is told in
// words below; a click or Enter picks it.
const GAP = 1;
const TALLEST = 420;

export default {
  template: `
    <figure class="heat">
      <canvas ref="drawn" role="img" tabindex="0" :aria-label="label + ' Arrow keys go from cell to cell.'"
        @mousemove="point" @mouseleave="leave" @click="pick" @keydown="move" @focus="begin" @blur="leave"></canvas>
      <figcaption>
        <span class="scale"><span>0</span><i :style="{ '--colour': 'var(--c-' + kind + ')' }"></i><span>{{ number(top) }}</span></span>
        <span class="told" aria-live="polite">{{ told || hint }}</span>
      </figcaption>
    </figure>`,
  props: {
    cells: Array,
    rows: Array,
    columns: Array,
    label: String,
    across: String,
    kind: { type: String, default: "working" },
    unit: { type: String, default: "" },
    hint: { type: String, default: "" },
    ceiling: { type: Number, default: null },
  },
  data() {
    return { at: null };
  },
  computed: {
    top() {
      return this.ceiling ?? this.cells.reduce((most, row) => row.reduce((a, b) => Math.max(a, b ?? 0), most), 0);
    },
    told() {
      if (this.at === null) return "";
      const [row, column] = this.at;
      const value = this.cells[row]?.[column];
      return this.rows[row] + ", " + this.columns[column] + ": " + (value == null ? "nothing" : this.number(value) + this.unit);
    },
  },
  watch: {
    cells() {
      this.at = null;
      this.draw();
    },
    at() {
      this.draw();
    },
  },
  mounted() {
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.$el);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  },
  unmounted() {
    this.sized.disconnect();
    this.themed.disconnect();
  },
  methods: {
    number(value) {
      if (Number.isInteger(value)) return value.toLocaleString("en");
      return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(2);
    },
    colour(name) {
      return getComputedStyle(document.body).getPropertyValue(name).trim();
    },
    short(name) {
      return name.split(" ").pop();
    },
    measure(context) {
      const width = Math.max(200, this.$el.clientWidth);
      const left = Math.ceil(Math.max(...this.rows.map((row) => context.measureText(row).width))) + 8;
      const across = (width - left) / this.columns.length;
      const down = Math.min(26, Math.max(3, TALLEST / this.rows.length));
      return { width, left, across, down, height: down * this.rows.length + 32 };
    },
    draw() {
      const canvas = this.$refs.drawn;
      if (!canvas || !this.cells.length) return;
      const context = canvas.getContext("2d");
      const font = "12px " + getComputedStyle(document.body).fontFamily;
      context.font = font;
      const place = (this.place = this.measure(context));
      const dots = window.devicePixelRatio || 1;
      canvas.width = place.width * dots;
      canvas.height = place.height * dots;
      canvas.style.height = place.height + "px";
      context.scale(dots, dots);
      context.font = font;
      this.paint(context, place);
      this.write(context, place);
    },
    paint(context, { left, across, down }) {
      const [fill, empty] = [this.colour("--c-" + this.kind), this.colour("--hover")];
      this.cells.forEach((row, y) =>
        row.forEach((value, x) => {
          const box = [left + x * across, y * down, across - Math.min(GAP, across / 4), down - Math.min(GAP, down / 4)];
          context.globalAlpha = 1;
          context.fillStyle = empty;
          context.fillRect(...box);
          context.globalAlpha = this.top > 0 && value != null ? Math.min(1, Math.max(0, value / this.top)) : 0;
          context.fillStyle = fill;
          context.fillRect(...box);
        }),
      );
      context.globalAlpha = 1;
      if (this.at !== null) {
        context.strokeStyle = this.colour("--text");
        context.lineWidth = 2;
        context.strokeRect(left + this.at[1] * across, this.at[0] * down, across - 1, down - 1);
      }
    },
    write(context, { left, across, down, width, height }) {
      context.fillStyle = this.colour("--dim");
      context.textBaseline = "middle";
      const every = Math.max(1, Math.ceil(13 / down));
      this.rows.forEach((row, y) => {
        if (y % every === 0) context.fillText(row, 0, (y + 0.5) * down);
      });
      context.textAlign = "center";
      const widest = Math.max(...this.columns.map((each) => context.measureText(this.short(each)).width)) + 10;
      const apart = Math.max(1, Math.ceil(widest / across));
      this.columns.forEach((each, x) => {
        const middle = left + (x + 0.5) * across;
        if (x % apart === 0 && middle + widest / 2 <= width + 6) context.fillText(this.short(each), middle, height - 23);
      });
      context.fillText(this.across, left + (width - left) / 2, height - 8);
      context.textAlign = "left";
    },
    point(event) {
      if (!this.place) return;
      const { left, across, down } = this.place;
      const [x, y] = [Math.floor((event.offsetX - left) / across), Math.floor(event.offsetY / down)];
      const within = x >= 0 && x < this.columns.length && y >= 0 && y < this.rows.length;
      if (!within) this.at = null;
      else if (this.at?.[0] !== y || this.at?.[1] !== x) this.at = [y, x];
    },
    leave() {
      this.at = null;
    },
    begin() {
      if (this.at === null) this.at = [0, 0];
    },
    pick() {
      if (this.at !== null) this.$emit("pick", { row: this.at[0], column: this.at[1] });
    },
    move(event) {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (event.key === "Enter") this.pick();
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const [row, column] = this.at ?? [0, 0];
      const kept = (value, count) => Math.min(count - 1, Math.max(0, value));
      this.at = [kept(row + step[0], this.rows.length), kept(column + step[1], this.columns.length)];
    },
  },
};
