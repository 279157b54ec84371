const NEAR = 120;

export default {
  template: `<div class="said" aria-live="polite"></div>`,
  props: { text: String },
  mounted() {
    this.$el.append(this.text);
    window.scrollTo(0, document.documentElement.scrollHeight);
  },
  methods: {
    add(text) {
      const page = document.documentElement;
      const low = window.innerHeight + window.scrollY > page.scrollHeight - NEAR;
      this.$el.append(text);
      if (low) window.scrollTo(0, page.scrollHeight);
    },
  },
};
