/* Tells the page that opened this one what came of the payment. It says "ok" as WeChat does:
   that the payer pressed the button, which proves nothing. */
(function () {
  "use strict";
  const { outcome } = document.currentScript.dataset;
  if (outcome && window.opener) window.opener.postMessage({ outcome }, "*");
})();
