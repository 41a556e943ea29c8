// Preloaded (`node --require`) where port 443, 8883 or 5671 cannot be bound: Microsoft's Node SDKs dial no others.
// What is dialled there goes to HUB_HTTPS_PORT, HUB_MQTT_PORT or HUB_AMQP_PORT; nothing else of the SDK is touched.
'use strict';

const tls = require('tls');

const ports = { 443: process.env.HUB_HTTPS_PORT, 8883: process.env.HUB_MQTT_PORT, 5671: process.env.HUB_AMQP_PORT };
const dial = tls.connect;
tls.connect = function (options, ...rest) {
  if (options && typeof options === 'object' && !options.socket) {
    const port = ports[options.port || 443];
    if (port) options = { ...options, port: Number(port) };
  }
  return dial.call(this, options, ...rest);
};
