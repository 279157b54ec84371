// Blocks of keys and values on a canvas, layers down and tokens across. The canvas is as wide as what is in view and stays
// there while its frame scrolls, so that a hundred thousand tokens cost no more to draw than a thousand.
const GUTTER = 40;
const AXIS = 22;
const BAND = 7;
const TALLEST = 330;
const CLOSEST = 4; // pixels for a token, at most
const PATIENCE = 140; // milliseconds of pointing before a text is asked for

export default {
  template: `
    <div class="block-map">
      <div class="tools" role="group" aria-label="How the map is drawn">
        <slot></slot>
        <span class="gap"></span>
        <button type="button" @click="zoom(0.5)" aria-label="Show more tokens" :disabled="near <= fit">−</button>
        <button type="button" @click="zoom(2)" aria-label="Show fewer tokens" :disabled="near >= 4">+</button>
        <button type="button" @click="whole" :disabled="near <= fit">All</button>
      </div>
      <div class="frame" ref="frame" tabindex="0" role="application" :aria-label="label" @scroll="draw" @keydown="move"
        @mousemove="point" @mouseleave="leave" @click="pick" @focus="begin" @blur="leave" @wheel="wheel">
        <div :style="{ width: length + 'px', height: height + 'px' }"><canvas ref="canvas"></canvas></div>
      </div>
      <div v-if="told" class="tip" :style="{ left: spot.x + 'px', top: spot.y + 'px' }">
        <b>{{ told.title }}</b>
        <span>{{ told.kind }}</span>
        <span>{{ told.size }} · <code>{{ told.digest }}</code></span>
        <span v-if="told.written">{{ told.written }}</span>
        <span>{{ told.sessions }}</span>
        <q v-if="told.text != null" class="text">{{ told.text }}</q>
      </div>
      <div class="unseen" aria-live="polite">{{ spoken }}</div>
      <ul class="legend">
        <li v-for="each in shown" :key="each.name"><i class="dot" :style="{ background: 'var(' + each.colour + ')' }"></i>
          <span>{{ each.name }}</span><span class="dim">{{ each.said }}</span></li>
        <li v-if="other"><i class="dot c-shared"></i><span>{{ other }} has it too</span></li>
      </ul>
    </div>`,
  props: { groups: Array, commits: Array, legends: Object, by: String, chosen: Object, other: String },
  data() {
    return { near: 1, fit: 1, wide: 600, at: null, texts: {}, spot: { x: 0, y: 0 } };
  },
  computed: {
    rows() {
      const rows = this.groups.flatMap((group) => group.layers.map((each) => ({ group, layer: each.layer, kind: each.kind })));
      return rows.sort((a, b) => a.layer - b.layer);
    },
    runs() {
      // Rows of one group that lie together, as [group, first row, row behind the last].
      const runs = [];
      this.rows.forEach((row, number) => {
        const last = runs[runs.length - 1];
        if (last && last[0] === row.group) last[2] = number + 1;
        else runs.push([row.group, number, number + 1]);
      });
      return runs;
    },
    first() {
      return Math.min(...this.groups.map((group) => group.start[0] ?? 0));
    },
    tokens() {
      return Math.max(1, ...this.groups.map((group) => this.end(group, group.start.length - 1) - this.first));
    },
    down() {
      return Math.min(24, Math.max(3, Math.floor(TALLEST / Math.max(1, this.rows.length))));
    },
    height() {
      return BAND + this.rows.length * this.down + AXIS;
    },
    length() {
      return Math.max(this.wide, GUTTER + this.tokens * this.near);
    },
    shown() {
      return this.legends[this.by].filter((each) => each.said);
    },
    label() {
      const blocks = this.groups.reduce((sum, group) => sum + group.start.length, 0);
      return `Map of ${blocks} blocks, ${this.rows.length} layers by ${this.tokens} tokens. Left and right go from block to block, up and down from layer to layer, Enter opens one, plus and minus zoom.`;
    },
    told() {
      return this.at === null ? null : this.tip(this.at);
    },
    spoken() {
      const told = this.told;
      return told ? [told.title, told.kind, told.size, told.sessions, told.text ?? ""].join(". ") : "";
    },
  },
  watch: {
    groups() {
      if (this.at && !(this.at.number < this.rows[this.at.row]?.group.start.length)) this.at = null;
      this.texts = {};
      this.measure();
      this.ask();
    },
    by() {
      this.$nextTick(this.draw);
    },
    at() {
      this.draw();
      this.ask();
    },
    chosen() {
      this.draw();
    },
  },
  mounted() {
    this.sized = new ResizeObserver(this.measure);
    this.sized.observe(this.$refs.frame);
    this.themed = new MutationObserver(this.draw);
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.measure();
    if (this.chosen) this.$nextTick(() => this.reveal(this.chosen));
  },
  unmounted() {
    clearTimeout(this.asking);
    this.sized.disconnect();
    this.themed.disconnect();
  },
  methods: {
    end(group, number) {
      return number < 0 ? 0 : group.start[number] + group.tokens[number];
    },
    measure() {
      const frame = this.$refs.frame;
      if (!frame) return;
      const all = this.near <= this.fit;
      this.wide = frame.clientWidth;
      this.fit = Math.min(CLOSEST, (this.wide - GUTTER - 2) / this.tokens);
      if (all || this.near < this.fit) this.near = this.fit;
      this.$nextTick(this.draw);
    },
    colours() {
      const style = getComputedStyle(document.body);
      return (name) => style.getPropertyValue(name).trim();
    },
    draw() {
      const [canvas, frame] = [this.$refs.canvas, this.$refs.frame];
      if (!canvas || !frame || !this.rows.length) return;
      const dots = window.devicePixelRatio || 1;
      canvas.width = Math.round(this.wide * dots);
      canvas.height = Math.round(this.height * dots);
      canvas.style.width = this.wide + "px";
      canvas.style.height = this.height + "px";
      const pen = canvas.getContext("2d");
      pen.scale(dots, dots);
      pen.font = "11px " + getComputedStyle(document.body).fontFamily;
      const colour = this.colours();
      pen.save();
      pen.beginPath();
      pen.rect(GUTTER, 0, this.wide - GUTTER, this.height);
      pen.clip();
      for (const run of this.runs) this.paint(pen, colour, ...run);
      this.lines(pen, colour);
      this.outline(pen, colour("--text"), this.chosen && this.row(this.chosen));
      this.outline(pen, colour("--bad"), this.at);
      this.axis(pen, colour);
      pen.restore();
      this.names(pen, colour);
    },
    across(token) {
      return GUTTER + (token - this.first) * this.near - this.$refs.frame.scrollLeft;
    },
    token(x) {
      return this.first + (x - GUTTER + this.$refs.frame.scrollLeft) / this.near;
    },
    find(group, token) {
      // The number of the block that has a token, or of the nearest one before it.
      let [low, high] = [0, group.start.length - 1];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (group.start[middle] <= token) low = middle;
        else high = middle - 1;
      }
      return low;
    },
    paint(pen, colour, group, top, bottom) {
      const palette = this.legends[this.by].map((each) => colour(each.colour));
      const [kinds, shared] = [group.kinds[this.by], colour("--c-shared")];
      const behind = this.token(this.wide);
      const [y, tall] = [BAND + top * this.down, (bottom - top) * this.down];
      for (let number = this.find(group, this.token(GUTTER)); number < group.start.length && group.start[number] < behind; ) {
        const left = this.across(group.start[number]);
        const also = group.with ? group.with[number] : 1;
        let last = number;
        // Blocks narrower than a few pixels are painted together with their like.
        while (this.near * group.tokens[last] < 3 && this.same(group, kinds, number, last + 1)) last++;
        const width = Math.max(1, this.across(this.end(group, last)) - left);
        pen.globalAlpha = also ? 1 : 0.28;
        pen.fillStyle = palette[kinds[number]];
        pen.fillRect(left, y, width > 4 ? width - 1 : width, tall);
        if (group.with && also && top === 0) {
          pen.fillStyle = shared;
          pen.fillRect(left, 0, width, BAND - 3);
        }
        number = last + 1;
      }
      pen.globalAlpha = 1;
    },
    same(group, kinds, one, other) {
      return other < kinds.length && kinds[one] === kinds[other] && (!group.with || group.with[one] === group.with[other]);
    },
    lines(pen, colour) {
      if (this.down < 5) return;
      pen.fillStyle = colour("--panel");
      for (let row = 1; row < this.rows.length; row++) pen.fillRect(GUTTER, BAND + row * this.down - 1, this.wide, 1);
    },
    outline(pen, colour, at) {
      if (!at) return;
      const group = this.rows[at.row].group;
      const [left, right] = [this.across(group.start[at.number]), this.across(this.end(group, at.number))];
      const width = Math.max(4, right - left);
      pen.strokeStyle = colour;
      pen.lineWidth = 2;
      pen.strokeRect(left, BAND - 1, width - 1, this.rows.length * this.down);
      if (this.down > 5) pen.strokeRect(left + 2, BAND + at.row * this.down, width - 5, this.down - 1);
    },
    axis(pen, colour) {
      const least = 70 / this.near;
      const size = 10 ** Math.floor(Math.log10(least));
      const step = [1, 2, 5, 10].map((each) => each * size).find((each) => each >= least);
      const y = BAND + this.rows.length * this.down;
      pen.fillStyle = colour("--dim");
      pen.textBaseline = "top";
      for (let token = Math.ceil(this.token(GUTTER) / step) * step; this.across(token) < this.wide - 20; token += step) {
        pen.fillRect(this.across(token), y, 1, 4);
        pen.fillText(token.toLocaleString("en"), this.across(token) + 3, y + 6);
      }
    },
    names(pen, colour) {
      pen.fillStyle = colour("--dim");
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      const every = Math.max(1, Math.ceil(13 / this.down));
      this.rows.forEach((row, number) => {
        if (number % every === 0) pen.fillText("L" + row.layer, GUTTER - 6, BAND + (number + 0.5) * this.down);
      });
      pen.textAlign = "left";
    },
    row(place) {
      // Where a block that is named by its group and number is; null where it is not on this page.
      const row = this.rows.findIndex((each) => each.group.name === place.group);
      if (row < 0) return null;
      const number = place.index - this.rows[row].group.index;
      return number >= 0 && number < this.rows[row].group.start.length ? { row, number } : null;
    },
    place(at) {
      const group = this.rows[at.row].group;
      return { group: group.name, index: group.index + at.number };
    },
    key(at) {
      const place = this.place(at);
      return place.group + " " + place.index;
    },
    tip(at) {
      const row = this.rows[at.row];
      const [group, number] = [row.group, at.number];
      const [start, end] = [group.start[number], this.end(group, number)];
      const written = this.commits[group.commit[number]];
      const count = group.sessions[number];
      const also = group.with?.[number] ? ", " + this.other + " too" : "";
      return {
        title: `Layer ${row.layer}, tokens ${start.toLocaleString("en")} – ${(end - 1).toLocaleString("en")}`,
        kind: this.legends.tier[group.kinds.tier[number]].name + ", " + row.kind,
        size: `Block ${group.index + number}, ` + (group.bytes[number] ? this.size(group.bytes[number]) : "not in the store"),
        digest: group.digest[number],
        written: written ? `${written.kind} ${written.turn}, commit ${written.id.slice(0, 8)}, ${written.ago}` : "",
        sessions: (count === 1 ? "this session alone" : `${count} sessions share it`) + also,
        text: this.texts[this.key(at)],
      };
    },
    size(bytes) {
      const units = ["B", "kB", "MB", "GB"];
      const power = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
      return (bytes / 1000 ** power).toFixed(power ? 1 : 0) + " " + units[power];
    },
    ask() {
      clearTimeout(this.asking);
      if (this.at === null || this.key(this.at) in this.texts) return;
      const place = this.place(this.at);
      this.asking = setTimeout(() => this.$emit("ask", place), PATIENCE);
    },
    tell(group, index, text) {
      this.texts[group + " " + index] = text;
    },
    point(event) {
      const box = this.$refs.frame.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const row = Math.floor((y - BAND) / this.down);
      const token = this.token(x);
      const group = this.rows[row]?.group;
      if (!group || x < GUTTER || token >= this.end(group, group.start.length - 1)) return this.leave();
      const number = this.find(group, token);
      if (this.at?.row !== row || this.at.number !== number) this.at = { row, number };
      this.beside(x, y);
    },
    beside(x, y) {
      const frame = this.$refs.frame;
      const left = x + 316 > this.wide ? Math.max(4, Math.min(x - 306, this.wide - 310)) : x + 14;
      this.spot = { x: left, y: frame.offsetTop + y + 14 };
    },
    leave() {
      this.at = null;
    },
    begin() {
      if (this.at === null && this.rows.length && this.$refs.frame.matches(":focus-visible"))
        this.go(this.chosen && this.row(this.chosen) ? this.row(this.chosen) : { row: 0, number: this.find(this.rows[0].group, this.token(GUTTER)) });
    },
    pick() {
      if (this.at !== null) this.$emit("choose", this.place(this.at));
    },
    reveal(place) {
      const at = this.row(place);
      if (at) this.see(at);
    },
    see(at) {
      const [frame, group] = [this.$refs.frame, this.rows[at.row].group];
      const [left, right] = [this.across(group.start[at.number]), this.across(this.end(group, at.number))];
      if (left < GUTTER) frame.scrollLeft += left - GUTTER - 20;
      else if (right > this.wide) frame.scrollLeft += right - this.wide + 20;
    },
    go(at) {
      this.see(at);
      this.at = at;
      this.beside(this.across(this.rows[at.row].group.start[at.number]), BAND + (at.row + 1) * this.down);
    },
    move(event) {
      const count = this.rows.length;
      if (!count || event.ctrlKey || event.altKey || event.metaKey) return;
      const at = this.at ?? (this.chosen && this.row(this.chosen)) ?? { row: 0, number: 0 };
      const group = this.rows[at.row].group;
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -16, PageDown: 16, Home: -Infinity, End: Infinity }[event.key];
      if (event.key === "Enter" || event.key === " ") this.pick();
      else if (event.key === "+" || event.key === "=") this.zoom(2);
      else if (event.key === "-") this.zoom(0.5);
      else if (step !== undefined)
        this.go({ row: at.row, number: this.at === null ? at.number : Math.min(group.start.length - 1, Math.max(0, at.number + step)) });
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        const row = Math.min(count - 1, Math.max(0, at.row + (event.key === "ArrowUp" ? -1 : 1)));
        this.go({ row, number: this.find(this.rows[row].group, group.start[at.number]) });
      } else return;
      event.preventDefault();
    },
    zoom(by, x = this.wide / 2) {
      const held = this.token(x);
      this.near = Math.min(Math.max(4, this.fit), Math.max(this.fit, this.near * by));
      this.$nextTick(() => {
        this.$refs.frame.scrollLeft = (held - this.first) * this.near + GUTTER - x;
        this.draw();
      });
    },
    whole() {
      this.near = this.fit;
      this.$nextTick(this.draw);
    },
    wheel(event) {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - this.$refs.frame.getBoundingClientRect().left);
    },
  },
};
