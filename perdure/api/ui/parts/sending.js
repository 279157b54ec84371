// Files that are sent straight to the interface, without passing the page's own process.
export default {
  template: `
    <div class="sending">
      <label>{{ label }}<input type="file" multiple ref="files" :accept="accept" /></label>
    </div>`,
  props: { label: String, accept: String },
  methods: {
    async send(address) {
      const form = new FormData();
      for (const file of this.$refs.files.files) form.append("file", file, file.name);
      if (!form.has("file")) return this.$emit("refused", "Choose a file first.");
      try {
        const response = await fetch(address, { method: "POST", body: form });
        const body = await response.json();
        if (response.ok) this.$emit("sent", body);
        else this.$emit("refused", body.detail ?? "The server refused it (" + response.status + ").");
      } catch (error) {
        this.$emit("refused", "The files could not be sent: " + error.message);
      }
    },
  },
};
