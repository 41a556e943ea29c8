// The least that a handler on Node can be: it answers, and does nothing.
'use strict';

require('http')
  .createServer((request, response) => response.end('{}'))
  .listen(Number(process.argv[2]), '127.0.0.1');
