--- Runs all tests in the editor at hand, which is to be headless:
---
---     nvim --headless -u NONE -i NONE --cmd 'set rtp^=clients/nvim' -S clients/nvim/tests/run.lua
---
--- `coracle` is found in PATH, and CORACLE_STORE names a store with the image hello:1. Ends with status 1 where a test failed.
local here = vim.fn.fnamemodify(vim.fn.expand('<sfile>:p'), ':h')

-- An error that ended this file would leave an editor that waits for ever.
local came, result = xpcall(function()
  return dofile(here .. '/harness.lua')()
end, debug.traceback)
if not came then
  io.stdout:write(result .. '\n')
end
io.stdout:flush()
vim.cmd(came and result and 'qall!' or 'cquit! 1')
