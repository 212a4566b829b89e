--- Pulling images, with progress.
local report = require('coracle.report')
local session = require('coracle.session')

local M = {}
local last_token = 0

--- Sends a request that reports LSP's $/progress, and shows that.
function M.with_progress(method, params, callback)
  last_token = last_token + 1
  params.workDoneToken = 'coracle' .. last_token
  local title = method
  local unlisten = session.listen('$/progress', function(progress)
    if progress.token ~= params.workDoneToken then
      return
    end
    local value = progress.value
    title = value.title or title
    local parts = { title }
    if value.percentage then
      parts[#parts + 1] = value.percentage .. ' %'
    end
    if value.message then
      parts[#parts + 1] = value.message
    end
    report.progress(table.concat(parts, '  '))
  end)
  return session.request(method, params, function(err, result)
    unlisten()
    callback(err, result)
  end)
end

--- Fetches an image. Answers what cancels it.
function M.pull(reference, callback)
  return M.with_progress('image/pull', { reference = reference }, function(err, result)
    if err then
      report.error(err)
    else
      local fetched = report.bytes(result.fetchedBytes)
      report.info(('pulled %s, %s over the network'):format(result.reference, fetched))
    end
    if callback then
      callback(err, result)
    end
  end)
end

return M
