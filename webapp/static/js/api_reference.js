// The browsable reference, drawn from the API's own description.
/* global SwaggerUIBundle */
SwaggerUIBundle({
  url: document.getElementById("reference").dataset.document,
  dom_id: "#reference",
  deepLinking: true,
  tryItOutEnabled: true,
});
