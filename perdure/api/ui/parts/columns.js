// Numbers side by side as small upright bars; each tells its own when it is pointed at.
export default {
  template: `
    <div class="columns-of" role="img" :aria-label="label">
      <span v-for="(value, at) in values" :key="at" :title="names[at] + ': ' + (100 * value).toFixed(1) + ' %'">
        <i :style="{ height: top > 0 ? (100 * value) / top + '%' : 0 }"></i>
      </span>
    </div>`,
  props: { values: Array, names: Array, label: String },
  computed: {
    top() {
      return this.values.reduce((most, each) => Math.max(most, each), 0);
    },
  },
};
