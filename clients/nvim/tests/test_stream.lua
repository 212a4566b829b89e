return {
  {
    name = 'base64 of any bytes',
    body = function(t)
      local decode = require('coracle.stream').decode
      t.equal(decode('AAEC/f7/'), '\0\1\2\253\254\255')
      t.equal(decode('aGVsbG8='), 'hello')
      t.equal(decode('aGk='), 'hi')
      t.equal(decode(''), '')
    end,
  },
}
