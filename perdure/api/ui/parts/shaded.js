// The tokens of a text, each shaded by a share that it has of something; the one that is pointed at, or led to by the arrow
// keys, is told in numbers, and all of them are there as a table.
export default {
  template: `
    <div class="shaded" :style="{ '--colour': 'var(--c-' + kind + ')' }">
      <div class="tokens" role="group" :aria-label="label + ' Arrow keys go from token to token.'" @keydown="move" ref="tokens">
        <span v-for="(token, at) in tokens" :key="at" class="token" role="img" :aria-label="said(at)"
          :tabindex="at === here ? 0 : -1" :style="{ '--share': share(at) }"
          @focus="chosen = here = at" @blur="chosen = null" @mouseenter="over = at" @mouseleave="over = null">{{ shown(token) }}</span>
      </div>
      <p class="told" aria-live="polite">{{ told }}</p>
      <details @toggle="open = $event.target.open">
        <summary>The same as a table</summary>
        <div class="scroll" v-if="open">
          <table class="list">
            <thead><tr><th scope="col" class="n">Number</th><th scope="col">Token</th>
              <th scope="col" class="n" v-for="name in names">{{ name }}</th></tr></thead>
            <tbody><tr v-for="(token, at) in tokens" :key="at"><td class="n">{{ at }}</td><td><code>{{ plain(token) }}</code></td>
              <td class="n" v-for="row in values">{{ percent(row[at]) }}</td></tr></tbody>
          </table>
        </div>
      </details>
    </div>`,
  props: {
    tokens: Array,
    values: Array,
    names: Array,
    row: { type: Number, default: 0 },
    label: String,
    kind: { type: String, default: "recalled" },
    hint: { type: String, default: "" },
  },
  data() {
    return { chosen: null, over: null, here: 0, open: false };
  },
  computed: {
    now() {
      return this.values[this.row] ?? [];
    },
    top() {
      return this.now.reduce((most, each) => Math.max(most, each), 0);
    },
    told() {
      const at = this.over ?? this.chosen;
      return at === null ? this.hint : this.said(at);
    },
  },
  methods: {
    share(at) {
      return this.top > 0 ? ((this.now[at] ?? 0) / this.top).toFixed(3) : 0;
    },
    percent(value) {
      return value == null ? "" : (100 * value).toFixed(1) + " %";
    },
    plain(token) {
      return token.replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
    },
    shown(token) {
      return token.replaceAll("\n", "⏎\n") || "∅";
    },
    said(at) {
      return "Token " + at + ", “" + this.plain(this.tokens[at]) + "”: " + (this.percent(this.now[at]) || "not heard");
    },
    move(event) {
      const last = this.tokens.length - 1;
      const goal = { ArrowLeft: this.here - 1, ArrowRight: this.here + 1, Home: 0, End: last }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      this.$refs.tokens.children[Math.min(last, Math.max(0, goal))].focus();
    },
  },
};
