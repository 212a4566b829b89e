--- Builds the current project's Dockerfile and runs what comes of it.
local report = require('coracle.report')
local session = require('coracle.session')

local M = {}

--- The nearest directory, from the current file's upwards, that has a Dockerfile.
function M.project(start)
  local place = start or vim.fn.expand('%:p:h')
  while true do
    for _, file in ipairs({ 'Dockerfile', 'Containerfile' }) do
      if vim.fn.filereadable(place .. '/' .. file) == 1 then
        return place, file
      end
    end
    local parent = vim.fn.fnamemodify(place, ':h')
    if parent == place then
      return nil
    end
    place = parent
  end
end

--- Builds and runs; calls back with an error or the run's result.
function M.run(start, callback)
  local place, file = M.project(start and vim.fn.fnamemodify(start, ':p:h'))
  local function fail(message)
    local err = { message = message }
    report.error(err)
    if callback then
      callback(err)
    end
  end
  if not place then
    return fail('there is no Dockerfile in this directory or above it')
  end
  session.request('system/ping', vim.empty_dict(), function(err)
    if err then
      return fail(report.sentence(err))
    end
    if not session.has('build/start') then
      return fail(('this version of Coracle cannot build %s/%s yet: it has no build/start'):format(place, file))
    end
  end)
end

return M
