// Preloaded (`node --require`) where a sample is TypeScript: its types are taken away, and not checked.
'use strict';

const fs = require('fs');
const ts = require('typescript');

require.extensions['.ts'] = (module, file) => {
  const { outputText } = ts.transpileModule(fs.readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2020, esModuleInterop: false },
  });
  module._compile(outputText, file);
};
