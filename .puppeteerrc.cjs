// The browser is found or fetched by scripts/setup.mjs, which says so; an install that downloads one silently may fail offline.
module.exports = { skipDownload: true };
