// Preloaded (`node --require`) where port 443 cannot be bound: Microsoft's Node SDKs dial no other port over HTTPS.
// What is dialled on 443 goes to HUB_HTTPS_PORT; nothing else of the SDK is touched.
'use strict';

const tls = require('tls');

const dial = tls.connect;
tls.connect = function (options, ...rest) {
  if (options && typeof options === 'object' && Number(options.port || 443) === 443 && !options.socket) {
    options = { ...options, port: Number(process.env.HUB_HTTPS_PORT) };
  }
  return dial.call(this, options, ...rest);
};
