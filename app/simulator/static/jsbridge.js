/* Defines WeixinJSBridge where there is none: outside WeChat, against the sandbox. */
(function () {
  "use strict";
  const base = document.currentScript.src.replace(/\/static\/jsbridge\.js.*$/, "");

  function pay(params, done) {
    const query = new URLSearchParams(params);
    const phone = window.open(
      `${base}/wechat/jsapi?${query}&bridge=1`, "wechat", "width=420,height=760");
    if (!phone) { // no window is allowed: go there, and come back by a link
      query.set("redirect_url", location.href);
      location.assign(`${base}/wechat/jsapi?${query}`);
      return;
    }
    function finish(message) {
      clearInterval(watch);
      removeEventListener("message", hear);
      done({ err_msg: `get_brand_wcpay_request:${message}` });
    }
    function hear(event) {
      if (event.origin === base && event.source === phone) {
        phone.close();
        finish(event.data.outcome);
      }
    }
    const watch = setInterval(() => phone.closed && finish("cancel"), 500);
    addEventListener("message", hear);
  }

  window.WeixinJSBridge = {
    invoke(name, params, done) {
      if (name === "getBrandWCPayRequest") pay(params, done);
      else done({ err_msg: `${name}:fail` });
    },
  };
  document.dispatchEvent(new Event("WeixinJSBridgeReady"));
})();
