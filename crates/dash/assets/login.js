"use strict";
const asked = new URLSearchParams(location.search);
document.getElementById("next").value = asked.get("next") || "/";
document.getElementById("failed").hidden = !asked.has("failed");
