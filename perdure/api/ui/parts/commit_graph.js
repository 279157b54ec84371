const WIDEST = 64;
const COLOURS = 8;

export default {
  template: `
    <div class="commits" role="listbox" aria-label="Commits, the newest first" @keydown="walk">
      <div v-for="(row, at) in rows" :key="row.id" class="commit" role="option" :id="'c-' + row.id"
           :class="{ chosen: row.id === chosen, over: row.id === over }" :aria-selected="row.id === chosen"
           :tabindex="at === reachable ? 0 : -1" :data-at="at" @click="$emit('choose', row.id)"
           @dragover="hover($event, row)" @dragleave="over = null" @drop.prevent="drop(row)">
        <div class="lanes" :style="{ width: width + 'px' }" aria-hidden="true">
          <svg :viewBox="'0 0 ' + width + ' 100'" preserveAspectRatio="none" :width="width" height="100%">
            <path v-for="line in lines(row)" :d="line.d" :style="{ stroke: line.colour }" vector-effect="non-scaling-stroke" />
          </svg>
          <span class="node" :class="row.kind" :style="{ left: x(row.lane) - 6 + 'px', borderColor: colour(row.strand),
                background: row.kind === 'turn' || row.kind === 'recover' ? colour(row.strand) : undefined }"></span>
        </div>
        <div class="about">
          <div class="line">
            <span v-for="branch in row.branches" class="ref branch" :class="{ own: branch === own }" :draggable="movable"
                  :title="movable ? 'Drag onto a commit to move ' + branch + ' there' : branch"
                  @dragstart="drag($event, branch)" @dragend="dragged = over = null">{{ branch }}</span>
            <span v-for="tag in row.tags" class="ref tag" :title="tag">{{ tag }}</span>
            <span v-if="row.others" class="others">+{{ row.others }}</span>
            <span v-if="row.kind !== 'turn'" class="kind">{{ row.kind }}</span>
            <span class="title" :title="row.title">{{ row.title }}</span>
          </div>
          <div class="figures"><span class="added">{{ row.added }}</span><span class="tokens">{{ row.tokens }}</span>
            <span class="age">{{ row.age }}</span><span class="mono">{{ row.short }}</span></div>
        </div>
      </div>
    </div>`,
  props: { rows: Array, chosen: String, own: String, movable: Boolean },
  data: () => ({ dragged: null, over: null, room: 220 }),
  mounted() {
    this.measure();
    window.addEventListener("resize", this.measure);
  },
  unmounted() {
    window.removeEventListener("resize", this.measure);
  },
  computed: {
    lanes() {
      let most = 1;
      for (const row of this.rows) most = Math.max(most, row.lane + 1, ...row.edges.map((edge) => edge[0] + 1));
      return Math.min(most, WIDEST);
    },
    gap() {
      return Math.max(4, Math.min(18, this.room / this.lanes));
    },
    width() {
      return Math.ceil(this.lanes * this.gap) + 10;
    },
    reachable() {
      return Math.max(0, this.rows.findIndex((row) => row.id === this.chosen));
    },
  },
  methods: {
    measure() {
      this.room = window.innerWidth < 700 ? 84 : 220;
    },
    x(lane) {
      return Math.min(lane, WIDEST) * this.gap + 10;
    },
    colour(strand) {
      return `var(--strand-${strand % COLOURS})`;
    },
    lines(row) {
      const here = this.x(row.lane);
      const found = [];
      const draw = (d, strand) => found.push({ d, colour: this.colour(strand) });
      for (const [lane, strand] of row.passing) draw(`M${this.x(lane)} 0V100`, strand);
      for (const [lane, strand] of row.ending) draw(`M${this.x(lane)} 0C${this.x(lane)} 40 ${here} 15 ${here} 50`, strand);
      for (const [lane, strand, fresh] of row.edges) {
        draw(`M${here} 50C${here} 85 ${this.x(lane)} 60 ${this.x(lane)} 100`, fresh ? strand : row.strand);
      }
      if (row.above) draw(`M${here} 0V50`, row.strand);
      if (row.below) draw(`M${here} 50V100`, row.strand);
      return found;
    },
    walk(event) {
      const row = event.target.closest("[data-at]");
      if (!row) return;
      const at = Number(row.dataset.at);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.rows.length - 1 }[event.key];
      if (event.key === "Enter" || event.key === " ") this.$emit("choose", this.rows[at].id);
      else if (to === undefined) return;
      else this.$el.querySelector(`[data-at="${to}"]`)?.focus();
      event.preventDefault();
    },
    drag(event, branch) {
      this.dragged = branch;
      event.dataTransfer.setData("text/plain", branch);
      event.dataTransfer.effectAllowed = "move";
    },
    hover(event, row) {
      if (this.dragged === null || row.branches.includes(this.dragged)) return;
      event.preventDefault();
      this.over = row.id;
    },
    drop(row) {
      if (this.dragged !== null) this.$emit("drop-branch", { branch: this.dragged, id: row.id });
      this.dragged = this.over = null;
    },
    reveal(id) {
      document.getElementById("c-" + id)?.scrollIntoView({ block: "nearest" });
    },
  },
};
