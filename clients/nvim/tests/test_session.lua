local session = require('coracle.session')
local output = require('coracle.output')

return {
  {
    name = 'requests are answered, errors have a sentence and a hint',
    body = function(t)
      t.equal(t.request('system/info', vim.empty_dict()).protocolVersion ~= nil, true)
      local err = t.await(function(callback)
        session.request('container/start', { container = 'nobody' }, callback)
      end)
      t.equal(err.data.kind, 'notFound')
      t.equal(require('coracle.report').sentence(err):find('nobody') ~= nil, true)
    end,
  },
  {
    name = 'a cancelled request calls back when its work has stopped',
    body = function(t)
      t.start('sleeper')
      local answer
      local call = session.request('container/wait', { container = 'sleeper' }, function(err)
        answer = err
      end)
      t.request('system/ping', vim.empty_dict())
      call.cancel()
      t.wait('the answer', function()
        return answer
      end)
      t.equal(answer.code, -32800)
      t.remove('sleeper')
    end,
  },
  {
    name = 'run shows all output, however much, and the exit code',
    body = function(t)
      vim.cmd('Coracle run hello:1 sh -c seq\\ 30000;exit\\ 7')
      t.line('^%[exit code 7%]$')
      local lines = t.lines()
      t.equal(#lines, 30001)
      t.equal({ lines[1], lines[30000] }, { '1', '30000' })
    end,
  },
  {
    name = 'closing the buffer of a run stops its container',
    body = function(t)
      local _, call = output.run('hello:1', { 'sh', '-c', 'echo up; exec sleep 1000' })
      t.line('^up$')
      vim.cmd('bwipeout')
      t.wait('the end', function()
        return call.is_done
      end)
      t.equal(t.request('container/list', { all = true }).containers, {})
    end,
  },
  {
    name = 'a container that the editor runs goes with it, however that ends',
    body = function(t)
      t.equal(t.await(function(callback)
        require('coracle.events').on({ 'container.removed' }, callback)
      end), nil)
      local seen = vim.fn.tempname()
      for _, last in ipairs({ 'qall!', 'lua vim.loop.kill(vim.fn.getpid(), "sigkill")' }) do
        t.told = {}
        vim.fn.system({
          'timeout', '-k', '10', '310', vim.v.progpath, '--headless', '-u', 'NONE', '-i', 'NONE',
          '--cmd', 'set rtp^=' .. vim.fn.fnameescape(t.here .. '/..'), '-c', 'runtime plugin/coracle.lua',
          '-c', 'Coracle run hello:1 sh -c echo\\ up;exec\\ sleep\\ 1000',
          '-c', 'lua vim.wait(300000, function() return vim.fn.getline(1) == "up" end)',
          '-c', ('call writefile(getline(1, 1), "%s")'):format(seen), '-c', last,
        })
        t.equal(vim.fn.readfile(seen), { 'up' })
        t.hear(': removed$')
        vim.fn.delete(seen)
      end
    end,
  },
  {
    name = 'logs follow a container to its end',
    body = function(t)
      t.start('talker', 'echo one; while ! test -e /go; do sleep 0.01; done; echo two')
      vim.cmd('Coracle logs talker')
      t.line('^one$')
      t.equal(t.lines(), { 'one', '' })
      t.request('container/exec', { container = 'talker', command = { 'touch', '/go' } })
      t.line('^two$')
      t.remove('talker')
    end,
  },
  {
    name = 'pull tells how it went, and shows progress',
    body = function(t)
      local shown = {}
      local report = require('coracle.report')
      report.progress = function(text)
        table.insert(shown, text)
      end
      vim.cmd('Coracle pull 127.0.0.1:1/not/there')
      t.hear('127.0.0.1:1')
      local reference = vim.env.CORACLE_TEST_REFERENCE
      vim.cmd('Coracle pull ' .. reference)
      t.hear('^pulled ' .. vim.pesc(reference) .. ', .* over the network$')
      t.equal(shown[#shown]:find('^pull ' .. vim.pesc(reference)) ~= nil, true)
      t.request('image/remove', { image = reference })
    end,
  },
  {
    name = 'the Dockerfile of the project is built, and what comes of it is run',
    body = function(t)
      local directory = vim.fn.tempname() .. '/My Project'
      vim.fn.mkdir(directory .. '/deep/er', 'p')
      vim.cmd('edit ' .. vim.fn.fnameescape(directory .. '/deep/er/file'))
      vim.cmd('Coracle build')
      t.hear('there is no Dockerfile')
      vim.fn.writefile({ 'FROM hello:1', 'RUN --network=none echo building', 'CMD echo running' }, directory .. '/Dockerfile')
      local build = require('coracle.build')
      t.equal({ build.project() }, { directory, 'Dockerfile' })
      t.told = {}
      vim.cmd('Coracle build')
      t.line('building', vim.api.nvim_get_current_buf())
      t.hear('^built my%-project:latest: 3 steps, 1 of them from the cache$')
      t.line('^%[exit code 0%]$')
      t.equal(t.lines(), { 'running', '[exit code 0]' })
      vim.cmd('edit ' .. vim.fn.fnameescape(directory .. '/deep/er/file'))
      vim.fn.writefile({ 'FROM hello:1', 'RUN --network=none echo trouble && exit 3' }, directory .. '/Dockerfile')
      local err = t.await(function(callback)
        build.run(nil, callback)
      end)
      t.equal(err.data.kind, 'buildFailed')
      t.line('trouble', vim.api.nvim_get_current_buf())
      t.request('image/remove', { image = 'my-project:latest' })
    end,
  },
  {
    name = 'what was typed wrong is told, and completion knows the words',
    body = function(t)
      vim.cmd('Coracle dance')
      t.hear('there is no :Coracle dance; there are build, cancel')
      vim.cmd('Coracle logs')
      t.hear('needs the name of a container')
      t.equal(vim.fn.getcompletion('Coracle pu', 'cmdline'), { 'pull' })
      -- Completion does not wait long, and tells what it has by then.
      local function completes(line, expected)
        local found
        for _ = 1, 60 do
          found = vim.fn.getcompletion(line, 'cmdline')
          if #found > 0 then
            break
          end
        end
        t.equal(found, { expected })
      end
      completes('Coracle run hel', 'hello:1')
      t.start('whole-name')
      completes('Coracle exec who', 'whole-name')
      t.remove('whole-name')
    end,
  },
}
