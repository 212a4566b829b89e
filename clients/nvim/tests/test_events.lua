return {
  {
    name = 'events are told, also those that happen while there is no service',
    body = function(t)
      local events = require('coracle.events')
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      t.start('first', 'exit 3')
      t.hear('^first: started$')
      t.hear('^first: exited with 3$')
      t.told = {}
      t.kill()
      vim.fn.system({ 'coracle', 'repl', '-c', 'rm first' })
      t.hear('^first: removed$')
      t.equal(#t.told, 1)
      vim.cmd('Coracle events off')
      t.told = {}
      t.start('second')
      t.remove('second')
      t.equal(t.told, {})
    end,
  },
  {
    name = 'the session that a person ends stays ended, and events and the list go on with the next one',
    body = function(t)
      local events = require('coracle.events')
      vim.cmd('Coracle list')
      local list = vim.api.nvim_get_current_buf()
      t.line('^NAME ')
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      t.stop()
      vim.fn.system({ 'coracle', 'repl', '-c', 'create --name outside hello:1 true' })
      t.equal(t.stays_ended(), true)
      t.equal(t.told, {})
      t.request('system/ping', vim.empty_dict())
      t.hear('^outside: created$')
      t.line('^outside ', list)
    end,
  },
}
